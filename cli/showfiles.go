package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// files prints the files of a run as trees.
func (cmd *showCommand) files(ctx context.Context, ref string) error {
	_, v, err := cmd.home.find(ctx, ref)
	if err != nil {
		return err
	}
	files, err := v.Files()
	if err != nil {
		return err
	}
	return cmd.term.listing(false, func(w *bufio.Writer) error {
		if files == nil {
			cmd.term.note("No files are recorded of %s.", v.Name())
			return nil
		}
		for _, list := range []struct {
			name  string
			files []record.File
		}{{"in", files.In}, {"out", files.Out}} {
			if len(list.files) == 0 {
				continue
			}
			fmt.Fprintf(w, "%s: %s\n", list.name, count(len(list.files), "file"))
			root := &folder{}
			for _, f := range list.files {
				root.put(strings.Split(f.Path, "/"), f)
			}
			root.write(w, "")
		}
		for _, line := range fileLines(v, files) {
			fmt.Fprintln(w, line)
		}
		return nil
	})
}

// fileLines says what is known of the files of a run beside their list.
func fileLines(v tasks.Version, files *record.Files) []string {
	rec := v.Record
	running := rec.Data.Status == record.Running
	if running && files.Trace != nil { // the record has what holds if qme is killed
		return []string{"those that a trace sees are recorded when the run has ended"}
	}
	lines := traceLines(files)
	switch {
	case files.Incomplete && rec.IsQueued(): // it has made none
	case files.Incomplete && (running || v.Uncommitted()): // they are still being hashed
		lines = append(lines, "those that are made are recorded when the run has ended")
	case files.Incomplete:
		lines = append(lines, "those that were made are not known: the run was cut off")
	}
	if d := rec.Data.Declared; d != nil && d.Cut {
		lines = append(lines, "not all that were declared: there were too many, or no time")
	}
	return lines
}

// traceLines says what a trace has seen beside the list of files, and how many files were left out of
// the list.
func traceLines(files *record.Files) (lines []string) {
	if files.LeftOut > 0 {
		lines = append(lines, count(files.LeftOut, "more file")+" not listed")
	}
	t := files.Trace
	if t == nil {
		return lines
	}
	for _, tree := range t.Software {
		of := ""
		if tree.Commit != "" {
			of = fmt.Sprintf(", as in commit %.12s", safe.Line(tree.Commit))
		}
		lines = append(lines, fmt.Sprintf("%s below %s%s", count(tree.Files, "file"), safe.Line(tree.Path), of))
	}
	if t.Temporary > 0 {
		lines = append(lines, count(t.Temporary, "temporary file"))
	}
	switch {
	case t.Error != "":
		lines = append(lines, "not traced: "+safe.Line(t.Error))
	case files.Complete:
		lines = append(lines, "these are all files that the run used")
	default:
		lines = append(lines, "more files may have been used; not seen:")
		for _, u := range t.NotSeen {
			lines = append(lines, fmt.Sprintf("  %d %s", u.Count, safe.Line(u.Why)))
		}
	}
	return lines
}

// A folder has the files and folders below it.
type folder struct {
	name    string
	folders []*folder
	files   []record.File
}

// put puts a file, whose path is in parts, below the folder.
func (d *folder) put(parts []string, f record.File) {
	if len(parts) == 1 {
		d.files = append(d.files, f)
		return
	}
	i := slices.IndexFunc(d.folders, func(one *folder) bool { return one.name == parts[0] })
	if i < 0 {
		i, d.folders = len(d.folders), append(d.folders, &folder{name: parts[0]})
	}
	d.folders[i].put(parts[1:], f)
}

// write prints what is in the folder, behind a margin.
func (d *folder) write(w *bufio.Writer, margin string) {
	slices.SortFunc(d.folders, func(a, b *folder) int { return cmp.Compare(a.name, b.name) })
	slices.SortFunc(d.files, func(a, b record.File) int { return cmp.Compare(a.Path, b.Path) })
	left := len(d.folders) + len(d.files)
	branch := func() (here, below string) {
		if left--; left == 0 {
			return margin + "└── ", margin + "    "
		}
		return margin + "├── ", margin + "│   "
	}
	for _, one := range d.folders {
		here, below := branch()
		name := one.name
		for len(one.files) == 0 && len(one.folders) == 1 { // a way without a fork is one line
			one = one.folders[0]
			name += "/" + one.name
		}
		fmt.Fprintf(w, "%s%s/\n", here, safe.Line(name))
		one.write(w, below)
	}
	for _, f := range d.files {
		here, _ := branch()
		fmt.Fprintf(w, "%s%s  %s\n", here, safe.Line(path.Base(f.Path)), fileLine(f))
	}
}

// fileLine describes a file in a tree.
func fileLine(f record.File) string {
	words := []string{humanize.IBytes(uint64(f.Size)), shortHash(f), safe.Line(f.By)}
	if f.Program != "" {
		words = append(words, safe.Line(path.Base(f.Program)))
	}
	return strings.Join(words, "  ")
}

// shortHash is the beginning of the hash of a file, with an asterisk where it is that of a part.
func shortHash(f record.File) string {
	switch {
	case f.SHA256 == "":
		return "no hash"
	case f.Partial:
		return fmt.Sprintf("%.12s*", f.SHA256) // of the first and the last MiB
	}
	return fmt.Sprintf("%.12s", f.SHA256)
}
