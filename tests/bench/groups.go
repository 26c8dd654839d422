package main

import "strings"

// A group is what is measured together.
type group struct {
	name string
	run  func(*lab) ([]row, error)
}

// groups are all that is measured, in this order.
var groups = []group{
	{"run", runGroup},
	{"datalad", dataladGroup},
	{"large", largeGroup},
	{"get", getGroup},
	{"notes", notesGroup},
	{"ls", lsGroup},
	{"search", searchGroup},
	{"table", tableGroup},
	{"made", madeGroup},
	{"stale", staleGroup},
	{"together", togetherGroup},
	{"output", outputGroup},
	{"queue", queueGroup},
	{"sweep", sweepGroup},
	{"facts", factsGroup},
	{"trace", traceGroup},
	{"pause", pauseGroup},
	{"disk", diskGroup},
	{"share", shareGroup},
	{"mirror", mirrorGroup},
	{"dashboard", dashboardGroup},
	{"crowd", crowdGroup},
}

func groupNames() string {
	var names []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	return strings.Join(names, ", ")
}
