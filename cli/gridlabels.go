package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// gridLabel is the kind of the columns that say which task it is. They are there if they are named, or if rows could not be told
// apart.
const gridLabel = "task"

// gridLabels are the names of these columns.
var gridLabels = []string{"name", "tags", "message", "group", "command", "host", "started"}

// startedFormat is RFC 3339 with a width that does not change, so that the texts sort as the times.
const startedFormat = "2006-01-02T15:04:05.000Z07:00"

// labelOf returns what a task has in such a column, "" for nothing.
func labelOf(name string, r *record.Record) string {
	switch name {
	case "name":
		return r.Notes.Named()
	case "tags":
		return strings.Join(r.Notes.Tagged(), ",")
	case "message":
		return r.Data.Message
	case "group":
		if r.Data.Group != nil {
			return r.Data.Group.Name
		}
	case "command":
		return r.Command
	case "host":
		return r.Data.Host
	case "started":
		if !r.IsQueued() {
			return r.Data.Timestamp.UTC().Format(startedFormat)
		}
	}
	return ""
}

// labelCell returns what a row has in such a column. Of several tasks it is only how many values there are, if they differ.
func labelCell(name string, rows []tasks.TableRow) gridCell {
	values := map[string]bool{}
	for _, r := range rows {
		values[labelOf(name, r.Record)] = true
	}
	value := labelOf(name, rows[0].Record)
	switch {
	case len(values) > 1:
		return gridCell{text: fmt.Sprintf("%d different", len(values)), has: true}
	case value == "":
		return gridCell{}
	case name == "started":
		return gridCell{text: rows[0].Record.Data.Timestamp.Local().Format(time.DateTime), value: record.MetricValue(value), has: true}
	}
	return gridCell{text: safe.Line(value), value: record.MetricValue(value), has: true}
}

// labels returns the columns of this kind that a table has.
func labels(t *tasks.Table, o tableOptions) (columns []gridColumn) {
	others := slices.Concat(paramNames(t), metricNames(t))
	for _, name := range gridLabels {
		named := slices.ContainsFunc(slices.Concat(o.columns, o.sort), func(typed string) bool {
			typed = strings.TrimPrefix(typed, "-")
			return typed == gridLabel+"."+name || typed == name && !slices.Contains(others, name)
		})
		if named || len(o.over) == 0 && tellsApart(t, name) {
			columns = append(columns, gridColumn{kind: gridLabel, name: name})
		}
	}
	return columns
}

// tellsApart reports whether a column is there without being named: the group, if there are several, and the command, if it
// differs and no parameter does.
func tellsApart(t *tasks.Table, name string) bool {
	differs := func(of func(tasks.TableRow) string) bool {
		return slices.ContainsFunc(t.Rows, func(r tasks.TableRow) bool { return of(r) != of(t.Rows[0]) })
	}
	label := func(r tasks.TableRow) string { return labelOf(name, r.Record) }
	switch name {
	case "group":
		return differs(label)
	case "command":
		return differs(label) && !differs(func(r tasks.TableRow) string { return fmt.Sprintf("%q", r.Params) })
	}
	return false
}

// putLabel writes what a row has in such a column to its JSON.
func (row *gridRowJSON) putLabel(name, value string, first *record.Record) {
	if name == "tags" {
		row.Tags = first.Notes.Tagged()
		return
	}
	*map[string]*string{
		"name": &row.Name, "message": &row.Message, "group": &row.Group, "command": &row.Command, "host": &row.Host, "started": &row.Started,
	}[name] = value
}
