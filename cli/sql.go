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

	"github.com/mattn/go-runewidth"
	"github.com/urfave/cli/v3"

	"qme/mirror"
	"qme/mirror/target"
	"qme/queue"
	"qme/record/safe"
)

func (a *app) sqlCommand() *cli.Command {
	var asJSON, asCSV bool
	return &cli.Command{
		Name:      "sql",
		Usage:     "ask the mirror a query in SQL",
		ArgsUsage: "QUERY",
		Description: `The mirror is brought up to date first, and is only read. Without one that is set,
it is the sqlite file qme.db of the home. docs/mirror.md describes the tables.

Examples:
  qme sql "select task_id, command from latest_runs where returncode <> 0"
  qme sql "select host, count(*) as runs from runs group by host" --csv
  qme sql --json "select * from runs order by started desc limit 1"`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print one row a line as JSON", Destination: &asJSON},
			&cli.BoolFlag{Name: "csv", Usage: "print as CSV", Destination: &asCSV},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			if asJSON && asCSV {
				return &usageError{msg: "--json and --csv exclude each other", help: "qme sql --help"}
			}
			query := c.Args().First()
			if strings.TrimSpace(query) == "" {
				return &usageError{msg: "sql needs a query, in quotes", help: "qme sql --help"}
			}
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.sql(ctx, query, asJSON, asCSV)
		},
	}
}

func (a *app) sql(ctx context.Context, query string, asJSON, asCSV bool) error {
	t, err := a.mirrorTarget()
	if err != nil {
		return err
	}
	if t == nil {
		home, err := a.homeDir()
		if err != nil {
			return err
		}
		t = target.OwnFile(home)
	}
	if _, err := a.history(ctx); err != nil {
		return err
	}
	if err := a.upToDate(ctx, t); err != nil {
		return err
	}
	return a.query(ctx, t, query, asJSON, asCSV)
}

// upToDate brings the mirror up to date or, where its database lets this user only read,
// says how far behind it is.
func (a *app) upToDate(ctx context.Context, t *target.Target) error {
	applied, err := a.catchUp(ctx, t, false)
	if errors.Is(err, mirror.ErrDenied) {
		return a.readOnlyMirror(ctx, t, err)
	}
	if err != nil {
		return interruptedMirror(err)
	}
	a.warnUnreadable(applied)
	return a.clearTrouble()
}

// readOnlyMirror says how far behind a mirror is that cannot be brought up to date. denied
// is why, and what is returned where there is nothing to be asked.
func (a *app) readOnlyMirror(ctx context.Context, t *target.Target, denied error) error {
	s, err := a.openStore()
	if err != nil {
		return err
	}
	var st mirrorStatusJSON
	schema, err := a.compareMirror(ctx, s, t, &st)
	switch {
	case errors.Is(err, mirror.ErrDenied):
		a.warn("how far behind the mirror is cannot be told: %v", err)
		return nil
	case err != nil:
		return err
	case schema == 0:
		return denied
	case st.Behind != (queue.Traffic{}):
		a.warn("the mirror is %s behind, and stays so: %v", traffic(st.Behind), denied)
	}
	return nil
}

// query runs a query and prints what it gives.
func (a *app) query(ctx context.Context, t *target.Target, query string, asJSON, asCSV bool) error {
	out, closePager, err := a.pager(asJSON || asCSV)
	if err != nil {
		return err
	}
	w := newFlusher(out)
	var p rowPrinter
	switch {
	case asJSON:
		p = &jsonRows{w: w}
	case asCSV:
		p = newCSVRows(w, isTerminal(a.out))
	default:
		p = &tableRows{w: w, color: a.palette()}
	}
	err = mirror.Query(ctx, t, query, p.columns, p.row)
	if err == nil {
		err = p.end()
	}
	if ferr := w.Flush(); ferr != nil && err == nil {
		err = outputError(ferr)
	}
	return errors.Join(interruptedQuery(err), closePager())
}

func interruptedQuery(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: %w", context.Canceled)
	}
	return err
}

// A rowPrinter prints the result of a query. Its errors are of the output.
type rowPrinter interface {
	columns(names []string) error
	row(values []any) error
	end() error
}

// cell is a value as text; ok is false for NULL.
func cell(v any) (text string, ok bool) {
	if v == nil {
		return "", false
	}
	return fmt.Sprint(v), true
}

// jsonRows prints one object a line, its members in the order of the columns.
type jsonRows struct {
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
	var line bytes.Buffer
	line.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			line.WriteByte(',')
		}
		line.Write(p.keys[i])
		line.WriteByte(':')
		value, err := marshalCell(v)
		if err != nil {
			return err
		}
		line.Write(value)
	}
	line.WriteString("}\n")
	_, err := p.w.Write(safe.JSON(line.Bytes()))
	return outputError(err)
}

// marshalCell writes what JSON has no number for (Infinity) as a string.
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

// csvRows prints RFC 4180, with NULL as an empty field. For a terminal it is escaped.
type csvRows struct {
	w        *csv.Writer
	terminal bool
}

func newCSVRows(w io.Writer, terminal bool) *csvRows {
	return &csvRows{w: csv.NewWriter(w), terminal: terminal}
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
			fields[i] = safe.Message(f)
		}
	}
	return outputError(p.w.Write(fields))
}

func (p *csvRows) end() error {
	p.w.Flush()
	return outputError(p.w.Error())
}

// widthRows is how many rows of a table decide on the widths of its columns.
const widthRows = 500

// maxCell is how wide a column may become for one long value.
const maxCell = 60

// tableRows prints aligned columns. Of a long result only the first rows are waited
// for.
type tableRows struct {
	w      *bufio.Writer
	color  palette
	head   []string
	first  [][]string
	number []bool // every value so far is one
	widths []int
}

func (p *tableRows) columns(names []string) error {
	for _, n := range names {
		p.head = append(p.head, safe.Line(n))
		p.number = append(p.number, true)
	}
	return nil
}

func (p *tableRows) row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		switch v.(type) {
		case nil, int64, float64, json.Number:
		default:
			p.number[i] = p.number[i] && p.widths != nil
		}
		text, ok := cell(v)
		if !ok {
			text = "NULL"
		}
		cells[i] = safe.Line(text)
	}
	if p.widths != nil {
		return p.print(cells)
	}
	if p.first = append(p.first, cells); len(p.first) < widthRows {
		return nil
	}
	return p.start()
}

// start prints the rows that were waited for.
func (p *tableRows) start() error {
	p.widths = make([]int, len(p.head))
	for _, cells := range append(p.first, p.head) {
		for i, c := range cells {
			p.widths[i] = max(p.widths[i], min(runewidth.StringWidth(c), maxCell))
		}
	}
	if err := p.print(p.head); err != nil {
		return err
	}
	for _, cells := range p.first {
		if err := p.print(cells); err != nil {
			return err
		}
	}
	return nil
}

func (p *tableRows) print(cells []string) error {
	var line strings.Builder
	for i, c := range cells {
		if i > 0 {
			line.WriteString("  ")
		}
		if p.number[i] {
			c = runewidth.FillLeft(c, p.widths[i])
		} else {
			c = runewidth.FillRight(c, p.widths[i])
		}
		line.WriteString(c)
	}
	_, err := p.w.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	return outputError(err)
}

func (p *tableRows) end() error {
	if p.widths != nil {
		return nil
	}
	return p.start()
}
