package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/mirror"
	"qme/mirror/target"
	"qme/tasks"
)

// sqlOptions are the query and the output format.
type sqlOptions struct {
	json, csv, lines, schema bool
	query                    string
}

type sqlCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *sqlCommand) command() *cli.Command {
	var o sqlOptions
	return &cli.Command{
		Name:      "sql",
		Usage:     "query the mirror in SQL",
		ArgsUsage: "QUERY",
		Description: `The mirror is brought up to date first, and is only read. The default mirror is the
sqlite file qme.db in the home. Times are in UTC. docs/mirror.md describes the
tables.

Examples:
  qme sql "select task_id, command from latest_runs where returncode <> 0"
  qme sql "select host, count(*) as runs from runs group by host" --csv
  qme sql --lines "select * from runs order by started desc limit 1"
  qme sql --schema`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print one row per line as JSON", Destination: &o.json},
			&cli.BoolFlag{Name: "csv", Usage: "print as CSV", Destination: &o.csv},
			&cli.BoolFlag{Name: "lines", Aliases: []string{"x"}, Usage: "print each value on a line of its own, for wide rows", Destination: &o.lines},
			&cli.BoolFlag{Name: "schema", Usage: "print the tables with their columns, without a query", Destination: &o.schema},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			o.query = c.Args().First()
			if msg := o.wrong(); msg != "" {
				return &usageError{msg: msg, help: "qme sql --help"}
			}
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
			return cmd.run(ctx, o)
		},
	}
}

// wrong describes conflicting options, "" if there are none.
func (o sqlOptions) wrong() string {
	forms := 0
	for _, f := range []bool{o.json, o.csv, o.lines} {
		if f {
			forms++
		}
	}
	switch {
	case o.json && o.csv:
		return "--json and --csv exclude each other"
	case forms > 1:
		return "--json, --csv and --lines exclude each other"
	case o.schema && o.query != "":
		return "--schema takes no query"
	case !o.schema && strings.TrimSpace(o.query) == "":
		return "sql needs a query, in quotes"
	}
	return ""
}

func (cmd *sqlCommand) run(ctx context.Context, o sqlOptions) error {
	t, err := cmd.settings.mirrorTarget()
	if err != nil {
		return err
	}
	if t == nil {
		home, err := cmd.settings.homeDir()
		if err != nil {
			return err
		}
		t = target.OwnFile(home)
	}
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	if err := cmd.upToDate(ctx, q, t); err != nil {
		return err
	}
	return cmd.query(ctx, q, t, o)
}

// upToDate updates the mirror. If the user may only read the database, it reports the
// changes that the mirror lacks.
func (cmd *sqlCommand) upToDate(ctx context.Context, q *tasks.Service, t *target.Target) error {
	applied, err := catchUp(cmd.term, ctx, q, t, false)
	if errors.Is(err, mirror.ErrDenied) {
		return cmd.readOnlyMirror(ctx, q, t, err)
	}
	if err != nil {
		return interruptedMirror(err)
	}
	warnUnreadable(cmd.term, applied)
	return q.MirrorLog().Clear()
}

// readOnlyMirror reports the changes that a mirror lacks, which cannot be updated because of
// denied. It returns denied if the database has no mirror yet.
func (cmd *sqlCommand) readOnlyMirror(ctx context.Context, q *tasks.Service, t *target.Target, denied error) error {
	var st mirrorStatusJSON
	schema, err := st.compare(ctx, q, t)
	switch {
	case errors.Is(err, mirror.ErrDenied):
		cmd.term.warn("how far behind the mirror is cannot be told: %v", err)
		return nil
	case err != nil:
		return err
	case schema == 0:
		return denied
	case st.Behind != (tasks.Traffic{}):
		cmd.term.warn("the mirror is %s behind, and stays so: %v", traffic(st.Behind), denied)
	}
	return nil
}

// query runs a query and prints the result.
func (cmd *sqlCommand) query(ctx context.Context, q *tasks.Service, t *target.Target, o sqlOptions) error {
	return cmd.term.listing(o.json || o.csv, func(out *bufio.Writer) (err error) {
		w := newFlusher(pieceWriter{ctx, out})
		p := cmd.rowPrinter(ctx, w, o)
		if o.schema {
			err = mirror.Schema(ctx, t, p.columns, p.row)
		} else {
			err = mirror.Query(ctx, t, o.query, p.columns, p.row)
		}
		if err == nil {
			err = p.end()
		}
		if ferr := w.Flush(); err == nil {
			err = ferr
		}
		return interruptedQuery(err)
	})
}

func (cmd *sqlCommand) rowPrinter(ctx context.Context, w *bufio.Writer, o sqlOptions) rowPrinter {
	switch {
	case o.json:
		return &jsonRows{ctx: ctx, w: w}
	case o.csv:
		return newCSVRows(ctx, w, isTerminal(cmd.term.out))
	case o.lines:
		return &lineRows{ctx: ctx, w: w, color: cmd.term.palette()}
	}
	return &tableRows{ctx: ctx, w: w, width: cmd.term.width()}
}

func interruptedQuery(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: %w", context.Canceled)
	}
	return err
}

// A rowPrinter prints the result of a query. Its errors are write errors or those of a
// context.
type rowPrinter interface {
	columns(names []string) error
	row(values []any) error
	end() error
}

// cell returns a value as text; ok is false for NULL.
func cell(v any) (text string, ok bool) {
	if v == nil {
		return "", false
	}
	return fmt.Sprint(v), true
}

// jsonRows prints one object per line, with its members in the order of the columns.
type jsonRows struct {
	ctx  context.Context
	w    *bufio.Writer
	keys [][]byte
}

func (p *jsonRows) columns(names []string) error {
	for _, n := range names {
		key, err := json.Marshal(n)
		if err != nil {
			return err
		}
		p.keys = append(p.keys, key)
	}
	return nil
}

func (p *jsonRows) row(values []any) error {
	sep := "{"
	for i, v := range values {
		if err := p.write([]byte(sep), p.keys[i], []byte(":")); err != nil {
			return err
		}
		if err := p.value(v); err != nil {
			return err
		}
		sep = ","
	}
	if len(values) == 0 {
		return p.write([]byte("{}\n"))
	}
	return p.write([]byte("}\n"))
}

// value writes one value; a long text is written in pieces.
func (p *jsonRows) value(v any) error {
	text, ok := v.(string)
	if !ok || len(text) <= pieceSize {
		b, err := marshalCell(v)
		if err != nil {
			return err
		}
		return p.write(b)
	}
	if err := p.write([]byte(`"`)); err != nil {
		return err
	}
	err := inPieces(p.ctx, text, func(piece string) error {
		b, err := marshalCell(piece)
		if err != nil {
			return err
		}
		return p.write(b[1 : len(b)-1])
	})
	if err != nil {
		return err
	}
	return p.write([]byte(`"`))
}

func (p *jsonRows) write(parts ...[]byte) error {
	for _, b := range parts {
		if _, err := p.w.Write(safe.JSON(b)); err != nil {
			return outputError(err)
		}
	}
	return nil
}

// pieceSize is the number of bytes processed between two checks of the context.
const pieceSize = 64 << 10

// inPieces passes a text to do in pieces that do not split characters, until ctx ends.
func inPieces(ctx context.Context, text string, do func(piece string) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		piece := safe.Head(text, pieceSize)
		if err := do(piece); err != nil {
			return err
		}
		if text = text[len(piece):]; text == "" {
			return nil
		}
	}
}

// A pieceWriter splits long writes into pieces and stops between them when ctx ends.
// Short writes succeed even after that.
type pieceWriter struct {
	ctx context.Context
	to  io.Writer
}

// Write implements io.Writer.
func (w pieceWriter) Write(b []byte) (n int, err error) {
	for {
		m, err := w.to.Write(b[n:min(len(b), n+pieceSize)])
		n += m
		if err != nil || n == len(b) {
			return n, err
		}
		if err := w.ctx.Err(); err != nil {
			return n, err
		}
	}
}

// escaped returns the result of escape for a text, or the error of ctx.
func escaped(ctx context.Context, text string, escape func(string) string) (string, error) {
	if len(text) <= pieceSize {
		return escape(text), nil
	}
	var out strings.Builder
	err := inPieces(ctx, text, func(piece string) error {
		out.WriteString(escape(piece))
		return nil
	})
	return out.String(), err
}

// marshalCell encodes a value; numbers that JSON lacks, such as Infinity, become strings.
func marshalCell(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	var unsupported *json.UnsupportedValueError
	if errors.As(err, &unsupported) {
		return json.Marshal(fmt.Sprint(v))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func (p *jsonRows) end() error { return nil }

// csvRows prints RFC 4180 with NULL as an empty field. Output to a terminal is escaped.
type csvRows struct {
	ctx      context.Context
	out      io.Writer
	w        *csv.Writer
	terminal bool
}

func newCSVRows(ctx context.Context, w io.Writer, terminal bool) *csvRows {
	return &csvRows{ctx: ctx, out: w, w: csv.NewWriter(w), terminal: terminal}
}

func (p *csvRows) columns(names []string) error { return p.write(names) }

func (p *csvRows) row(values []any) error {
	fields := make([]string, len(values))
	for i, v := range values {
		fields[i], _ = cell(v)
	}
	return p.write(fields)
}

func (p *csvRows) write(fields []string) error {
	if p.terminal {
		for i, f := range fields {
			var err error
			if fields[i], err = escaped(p.ctx, f, safe.Message); err != nil {
				return err
			}
		}
	}
	if len(fields) == 1 && fields[0] == "" {
		// The writer would print an empty line, which readers skip.
		p.w.Flush()
		_, err := io.WriteString(p.out, "\"\"\n")
		return outputError(errors.Join(p.w.Error(), err))
	}
	return outputError(p.w.Write(fields))
}

func (p *csvRows) end() error {
	p.w.Flush()
	return outputError(p.w.Error())
}

// catchUp updates the mirror, or rebuilds it if rebuild is set.
func catchUp(term *terminal, ctx context.Context, q *tasks.Service, t *target.Target, rebuild bool) (mirror.Applied, error) {
	show, done := term.progress()
	defer done()
	var progress func(int)
	if show != nil {
		progress = func(n int) { show("tasks mirrored", n, 0) }
	}
	return q.CatchUpMirror(ctx, t, rebuild, progress)
}

func warnUnreadable(term *terminal, applied mirror.Applied) {
	const shown = 5
	for i, err := range applied.Unreadable {
		if i == shown {
			term.warn("and %d more", len(applied.Unreadable)-shown)
			break
		}
		term.warn("not mirrored: %v", err)
	}
}
