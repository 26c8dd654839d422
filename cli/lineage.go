package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-runewidth"
	"github.com/urfave/cli/v3"

	"qme/internal/flow"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type lineageCommand struct {
	term *terminal
	home *home
}

// lineageOptions are the flags of lineage.
type lineageOptions struct {
	tasks.LineageOptions
	json, svg bool
}

func (cmd *lineageCommand) command() *cli.Command {
	var o lineageOptions
	return &cli.Command{
		Name:      "lineage",
		Usage:     "show from what a file or a task has come, or with --down what was made from it",
		ArgsUsage: "[FILE|TASK[@RUN]]",
		Description: `It goes back from a file to the run that made it, from that to the files which it had
as inputs, and so on, to files that no run made. A file is joined to a run by its
content or, where no hashes can be compared, by its path. Branches of the latter kind
are dashed, and so are those of which nothing but a word of a command line tells (word,
option). A run that began later than one that used a file cannot have made it.

What can name a task is one; ./FILE is only a file, which may be gone. - is what standard
input holds.

--svg prints a picture: columns from the oldest files to what was made, dashed lines as
in the tree.

Examples:
  qme lineage figure.png
  qme lineage baseline@2 --down
  qme lineage figure.png --svg > lineage.svg`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "down", Usage: "show what was made from it", Destination: &o.Down},
			&cli.IntFlag{Name: "depth", Usage: "at most `N` runs one after the other", HideDefault: true, Destination: &o.Depth},
			&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` files and runs", Value: tasks.MostNodes, Destination: &o.Limit},
			&cli.BoolFlag{Name: "json", Usage: "print the files and runs, and what joins them, as one JSON document", Destination: &o.json},
			&cli.BoolFlag{Name: "svg", Usage: "print a picture as SVG", Destination: &o.svg},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			usage := func(msg string) error { return &usageError{msg: msg, help: c.FullName() + " --help"} }
			switch err := atMost(c, 1); {
			case err != nil:
				return err
			case o.json && o.svg:
				return usage("--json and --svg exclude each other")
			case o.Limit < 1:
				return usage(fmt.Sprintf("--limit takes a number from 1, not %d", o.Limit))
			case o.Depth < 1 && c.IsSet("depth"):
				return usage(fmt.Sprintf("--depth takes a number from 1, not %d", o.Depth))
			}
			return cmd.run(ctx, c.Args().First(), o)
		},
	}
}

func (cmd *lineageCommand) run(ctx context.Context, arg string, o lineageOptions) (err error) {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	of, unnamed := subject{file: tasks.MadeStdin}, error(nil)
	if arg != tasks.MadeStdin {
		of, unnamed = namedBy(q, arg)
	}
	if unnamed != nil && !mayBeGone(unnamed, arg) {
		return unnamed
	}
	links, err := q.Links(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, links.Close()) }()
	if unnamed != nil {
		of.file = arg
	}
	l, none, err := cmd.lineage(ctx, q, links, of, o)
	if unnamed != nil && (err != nil || len(l.Nodes) == 1) {
		return unnamed
	}
	if err != nil {
		return err
	}
	if err := cmd.print(q, links, l, o); err != nil {
		return err
	}
	return cmd.ended(links, l, o, none)
}

// mayBeGone reports whether an argument that names neither a task nor a file that is there can be the path of
// one that was there.
func mayBeGone(err error, arg string) bool {
	var cleared *tasks.ClearedError
	return (errors.Is(err, record.ErrNotFound) || errors.Is(err, tasks.ErrReference)) && !errors.As(err, &cleared) && arg != "" && !strings.HasPrefix(arg, "@")
}

// lineage finds out that of a file or a task. none says that nothing is known of it.
func (cmd *lineageCommand) lineage(ctx context.Context, q *tasks.Service, links *tasks.Links, of subject, o lineageOptions) (l *tasks.Lineage, none error, err error) {
	if of.task != nil {
		l, err = links.LineageOfRun(ctx, *of.task, o.LineageOptions)
		if err == nil && len(l.Nodes) == 1 && !o.Down && l.Nodes[0].LeftOut == 0 {
			cmd.term.note("No inputs are recorded of %s.", of.task.Name())
		}
		return l, nil, err
	}
	m, err := q.Made(ctx, links, of.file, tasks.MadeOptions{Stdin: cmd.term.in})
	if err != nil {
		return nil, nil, usageOfFile(err, "lineage")
	}
	if !o.Down && len(m.Runs) == 0 {
		none = (&madeCommand{cmd.term, cmd.home}).unknown(m)
	}
	l, err = links.LineageOfFile(ctx, m, o.LineageOptions)
	if err == nil && o.Down && len(l.Nodes) == 1 && l.LeftOut == 0 {
		none = fmt.Errorf("%s: no run is known to have used this content, or this path: %w", safe.Line(of.file), record.ErrNotFound)
	}
	return l, none, err
}

func (cmd *lineageCommand) print(q *tasks.Service, links *tasks.Links, l *tasks.Lineage, o lineageOptions) error {
	switch {
	case o.json:
		return cmd.term.printJSON(lineageJSONOf(l))
	case o.svg:
		return cmd.term.listing(true, func(w *bufio.Writer) error { return outputError(flow.Draw(w, pictureOf(l))) })
	}
	return cmd.term.listing(false, func(w *bufio.Writer) error {
		t := &lineageTree{table: cmd.term.newTable(w), l: l, links: links, host: q.Settings.Host, dir: here(), printed: map[int]bool{}, texts: map[int]nodeText{}}
		t.next = make([][]int, len(l.Nodes))
		for i, e := range l.Edges {
			at := e.To
			if l.Down {
				at = e.From
			}
			t.next[at] = append(t.next[at], i)
		}
		return t.root()
	})
}

// ended says what is missing.
func (cmd *lineageCommand) ended(links *tasks.Links, l *tasks.Lineage, o lineageOptions, none error) error {
	cmd.term.warnUnreadable(links)
	if l.LeftOut > 0 {
		cmd.term.note("%d and more further files and runs are left out (--limit).", l.LeftOut)
	}
	for _, n := range l.Nodes {
		if !n.Known && n.Run == nil {
			cmd.term.note("No more than %s one after the other is followed (--depth).", count(o.Depth, "run"))
			break
		}
	}
	if l.Remade > 0 {
		cmd.term.note("%s left out in whose place a run of the same command has made a new one: whether it was read is not recorded (qme run --trace tells).", earlierOutputs(l.Remade))
	}
	cmd.term.noteGaps(l.Gaps)
	if none == nil && len(links.Unreadable()) > 0 {
		return errMayBeMissing()
	}
	return none
}

func earlierOutputs(n int) string {
	if n == 1 {
		return "1 earlier output is"
	}
	return count(n, "earlier output") + " are"
}

// A lineageTree prints a lineage.
type lineageTree struct {
	*table
	l       *tasks.Lineage
	links   *tasks.Links
	host    string
	dir     string
	next    [][]int // of each node the edges that lead on
	printed map[int]bool
	texts   map[int]nodeText // of nodes that were printed
}

func (t *lineageTree) root() error {
	line, err := t.node(0, nil)
	if err != nil {
		return err
	}
	if err := t.line("", line); err != nil {
		return err
	}
	return t.below(0, "")
}

// line prints a line behind a margin, on a terminal as much of it as fits.
func (t *lineageTree) line(margin, line string) error {
	if t.width > 0 {
		line = runewidth.Truncate(line, max(t.width-runewidth.StringWidth(margin), minCommand), "…")
	}
	_, err := fmt.Fprintln(t.w, margin+line)
	return err
}

// mostLeaves is how many files behind which there is nothing are shown of a run.
const mostLeaves = 20

// below prints what is behind a node.
func (t *lineageTree) below(node int, margin string) error {
	t.printed[node] = true
	edges, left := t.shown(node)
	further := t.further(node, left)
	for i, at := range edges {
		e := t.l.Edges[at]
		to := t.behind(at)
		here, on := "├── ", "│   "
		if i == len(edges)-1 && further == "" {
			here, on = "└── ", "    "
		}
		if weak(e) {
			here = strings.ReplaceAll(here, "─", "╌")
		}
		line, err := t.node(to, &e)
		if err != nil {
			return err
		}
		again := t.printed[to] && len(t.next[to]) > 0
		if again {
			line += "  (see above)"
		}
		if err := t.line(margin+here, line); err != nil {
			return err
		}
		if !again {
			if err := t.below(to, margin+on); err != nil {
				return err
			}
		}
	}
	if further == "" {
		return nil
	}
	return t.line(margin+"└── ", further)
}

// shown returns the edges of a node that are printed, and how many files are not: those that lead to nothing
// that is not printed anyhow, if there are many.
func (t *lineageTree) shown(node int) (edges []int, left int) {
	shown, seen := 0, map[int]bool{}
	for _, at := range t.next[node] {
		if t.leadsNowhere(t.behind(at), seen) {
			if shown++; shown > mostLeaves {
				left++
				continue
			}
		}
		edges = append(edges, at)
	}
	return edges, left
}

// leadsNowhere reports whether a node is a file behind which there is nothing but runs that are printed, or
// seen, which it adds to.
func (t *lineageTree) leadsNowhere(node int, seen map[int]bool) bool {
	n := t.l.Nodes[node]
	if n.Run != nil || !n.Known || n.LeftOut > 0 {
		return false
	}
	nowhere := true
	for _, at := range t.next[node] {
		run := t.behind(at)
		nowhere = nowhere && (t.printed[run] || seen[run])
		seen[run] = true
	}
	return nowhere
}

// behind returns the node to which an edge leads on.
func (t *lineageTree) behind(edge int) int {
	if t.l.Down {
		return t.l.Edges[edge].To
	}
	return t.l.Edges[edge].From
}

// further says what is not printed of a node.
func (t *lineageTree) further(node, left int) string {
	var words []string
	if left > 0 {
		words = append(words, count(left, "more file")+" that lead to nothing else")
	}
	n := t.l.Nodes[node]
	if n.LeftOut > 0 {
		words = append(words, strconv.Itoa(n.LeftOut)+" more left out")
	}
	return strings.Join(words, "; ")
}

// weak reports whether what joins two nodes is a word of a command line, or a path alone.
func weak(e tasks.LineageEdge) bool { return e.NamedOnly() || e.ByPath() }

// A nodeText describes a node, apart from the edge by which it was reached.
type nodeText struct{ before, after []string }

// node describes a node, and the edge by which it was reached.
func (t *lineageTree) node(i int, e *tasks.LineageEdge) (string, error) {
	text, known := t.texts[i]
	if !known { // many edges may lead to one node
		var err error
		if text, err = t.text(i); err != nil {
			return "", err
		}
		t.texts[i] = text
	}
	words := slices.Clone(text.before)
	if e != nil {
		words = append(words, t.evidence(t.l.Nodes[i], *e)...)
	}
	return strings.Join(append(words, text.after...), "  "), nil
}

func (t *lineageTree) text(i int) (nodeText, error) {
	n := t.l.Nodes[i]
	var words, after []string
	if n.Run == nil {
		words = []string{t.path(n.Path), sizeAndHash(n.Content)}
		if n.Makers > 1 {
			words = append(words, fmt.Sprintf("written by %d runs", n.Makers))
		}
	} else {
		short, err := t.links.Short(n.Run.Record.UID)
		if err != nil {
			return nodeText{}, err
		}
		if !n.Latest {
			short += n.Run.Suffix()
		}
		words = []string{short, n.Run.Record.Data.Timestamp.Local().Format(minute)}
		if host := n.Run.Record.Data.Host; host != t.host && host != "" {
			words = append(words, "on "+safe.Line(host))
		}
	}
	if n.Run == nil && !n.Known {
		after = append(after, "…")
	}
	if n.Run != nil {
		if status, paint := t.status(n.Run.Record); status != "0" {
			after = append(after, paint(status))
		}
		after = append(after, safe.Bounded(n.Run.Record.Command))
	}
	return nodeText{words, after}, nil
}

const minute = "2006-01-02 15:04"

// evidence says how the record of a run knows of a file.
func (t *lineageTree) evidence(n tasks.LineageNode, e tasks.LineageEdge) []string {
	words := []string{safe.Line(e.File.By)}
	run, file := t.l.Nodes[e.From], t.l.Nodes[e.To]
	if run.Run == nil {
		run, file = file, run
	}
	if path := run.Run.Record.Data.PathOf(e.File); n.Run != nil && path != file.Path {
		words = append(words, "as "+t.path(path))
	}
	switch {
	case e.Match == tasks.SameEnds && !e.Own:
		words = append(words, "same ends")
	case e.ByPath():
		words = append(words, "no hash to compare")
	case e.Match == tasks.Different:
		words = append(words, "changed since")
	}
	if e.File.Shared {
		words = append(words, "also written by another run")
	}
	return words
}

// path returns a path for people: relative to the current directory, if it is below that.
func (t *lineageTree) path(path string) string {
	if path == "" {
		return tasks.MadeStdin
	}
	return safe.Line(relativeTo(t.dir, path))
}

// relativeTo returns a path relative to a directory where it is below that.
func relativeTo(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && dir != "" && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// sizeAndHash describes a content.
func sizeAndHash(c tasks.Content) string {
	if c.Size < 0 {
		return "not read"
	}
	f := record.File{SHA256: c.SHA256}
	if f.SHA256 == "" && c.Ends != "" {
		f = record.File{SHA256: c.Ends, Partial: true}
	}
	return humanize.IBytes(uint64(c.Size)) + "  " + shortHash(f)
}

// pictureOf returns what is drawn of a lineage.
func pictureOf(l *tasks.Lineage) flow.Graph {
	g := flow.Graph{ToLast: !l.Down}
	for i, n := range l.Nodes {
		b := flow.Box{Root: i == 0}
		if n.Run == nil {
			b.Head, b.Foot = path.Base(n.Path), sizeAndHash(n.Content)
			b.Title = n.Path + "\u2002" + b.Foot
			if n.Path == "" {
				b.Head = "standard input"
			}
		} else {
			r := n.Run.Record
			b.Round, b.Head = true, r.Command
			b.Foot = r.Data.Timestamp.Local().Format(minute) + " " + r.Data.Host
			b.Title = safe.Bounded(r.Command) + "\u2002" + n.Run.Name() + "\u2002" + r.Data.Timestamp.Local().Format(time.DateTime) + "\u2002" + r.Data.Host
		}
		if n.LeftOut > 0 {
			b.Foot += fmt.Sprintf(" (+%d)", n.LeftOut)
		}
		g.Boxes = append(g.Boxes, b)
	}
	for _, e := range l.Edges {
		title := e.File.By + "\u2002" + e.File.Path
		if e.ByPath() {
			title += "\u2002no hash to compare"
		}
		g.Lines = append(g.Lines, flow.Line{From: e.From, To: e.To, Title: title, Dashed: weak(e)})
	}
	g.Title = "Lineage of " + g.Boxes[0].Head
	return g
}

// A lineageJSON is what "lineage --json" prints.
type lineageJSON struct {
	Down    bool       `json:"down"`
	Nodes   []nodeJSON `json:"nodes"`
	Edges   []edgeJSON `json:"edges"`
	LeftOut int        `json:"left_out"`
	Gaps    int        `json:"gaps"`
	Remade  int        `json:"remade"`
}

// A nodeJSON is a run or a file.
type nodeJSON struct {
	Kind string `json:"kind"`
	*runJSON
	Latest  *bool  `json:"latest,omitempty"`
	Path    string `json:"path,omitempty"`
	Size    *int64 `json:"size,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	Ends    string `json:"ends_sha256,omitempty"`
	Makers  *int   `json:"makers,omitempty"`
	Known   bool   `json:"known"`
	LeftOut int    `json:"left_out"`
}

// An edgeJSON joins two nodes, by their places in lineageJSON.Nodes.
type edgeJSON struct {
	From      int    `json:"from"`
	To        int    `json:"to"`
	Path      string `json:"path"`
	By        string `json:"by"`
	NamedOnly bool   `json:"named_only"`
	Shared    bool   `json:"shared"`
	Content   string `json:"content"`
}

func lineageJSONOf(l *tasks.Lineage) lineageJSON {
	j := lineageJSON{Down: l.Down, Nodes: []nodeJSON{}, Edges: []edgeJSON{}, LeftOut: l.LeftOut, Gaps: l.Gaps, Remade: l.Remade}
	for _, n := range l.Nodes {
		one := nodeJSON{Kind: "file", Path: n.Path, SHA256: n.Content.SHA256, Ends: n.Content.Ends, Known: n.Known, LeftOut: n.LeftOut}
		if n.Run != nil {
			run := runJSONOf(*n.Run)
			one.Kind, one.runJSON, one.Latest = "run", &run, &n.Latest
		} else {
			one.Makers = &n.Makers
			if n.Path == "" {
				one.Path = tasks.MadeStdin
			}
			if n.Content.Size >= 0 {
				one.Size = &n.Content.Size
			}
		}
		j.Nodes = append(j.Nodes, one)
	}
	for _, e := range l.Edges {
		run := l.Nodes[e.From].Run
		if run == nil {
			run = l.Nodes[e.To].Run
		}
		j.Edges = append(j.Edges, edgeJSON{e.From, e.To, run.Record.Data.PathOf(e.File), e.File.By, e.NamedOnly(), e.File.Shared, contentWords[e.Match]})
	}
	return j
}
