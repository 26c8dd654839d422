package tasks

import (
	"reflect"
	"strings"
	"testing"

	"qme/record"
)

func TestWalkTexts(t *testing.T) {
	git := &record.Git{Commit: strings.Repeat("a", 40), Branch: "a/b", Remote: "https://a"}
	now := record.Now()
	d := record.Data{PWD: "/a", Cmd: []string{"a"}, User: "a", Status: record.Complete, RunID: record.NewRunID(), Git: git, Finished: &now,
		Message: "a", Stdin: &record.Stdin{Kind: "file", Path: "/a"}, Job: &record.Job{ID: "a", Name: "a", Fields: map[string]string{"k": "a"}, Elements: []record.JobElement{{ID: "a", Nodes: "a"}}}}
	walkTexts(reflect.ValueOf(&d).Elem(), func(s string) string { return strings.ReplaceAll(s, "a", "X") })
	if d.PWD != "/X" || d.Message != "X" || d.Git.Branch != "X/b" || d.Git.Remote != "https://X" || d.Stdin.Path != "/X" || d.Job.Name != "X" || d.Job.Fields["k"] != "X" || d.Job.Elements[0].Nodes != "X" {
		t.Errorf("texts are left: %+v, %+v, %+v, %+v", d, d.Git, d.Stdin, d.Job)
	}
	if d.Cmd[0] != "a" || d.User != "a" || d.Git.Commit != strings.Repeat("a", 40) || d.Job.ID != "a" || d.Job.Elements[0].ID != "a" || !d.Finished.Equal(now.Time) {
		t.Errorf("words of the format have changed: %+v, %+v, %+v", d, d.Git, d.Job)
	}
	if git.Branch != "a/b" {
		t.Error("what the record refers to was changed in its place")
	}
}
