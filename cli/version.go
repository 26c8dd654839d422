package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/record"
)

// release is the version of a build for which go knows no version, such as that of a
// packager: go build -ldflags "-X qme/cli.release=v1.2.3".
var release string

// version returns the version of the build: the tag of a release, or the commit of a
// checkout.
func version() string {
	v, commit := build()
	switch {
	case v != "":
		return v
	case commit != "":
		return "devel-" + shortCommit(commit)
	}
	return "devel"
}

// build returns the release, "" if there is none, and the commit, as far as they are
// known. The commit ends in + if files were modified.
func build() (tag, commit string) {
	tag = release
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return tag, ""
	}
	if v := info.Main.Version; tag == "" && v != "(devel)" {
		tag = v
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+"
		}
	}
	if commit != "" {
		commit += dirty
	}
	return tag, commit
}

// shortCommit shortens a commit to 12 digits and keeps a trailing +.
func shortCommit(commit string) string {
	hash, changed := strings.CutSuffix(commit, "+")
	if hash = hash[:min(12, len(hash))]; changed {
		return hash + "+"
	}
	return hash
}

// A versionJSON is the build as JSON. Its keys are stable.
type versionJSON struct {
	Version string `json:"version"`
	Commit  string `json:"commit"` // "" if unknown
	Format  string `json:"format"` // of the history
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func versionCommand(term *terminal) *cli.Command {
	var asJSON bool
	return &cli.Command{
		Name:  "version",
		Usage: "print the version",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print as JSON", Destination: &asJSON}},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := atMost(c, 0); err != nil {
				return err
			}
			_, commit := build()
			if asJSON {
				return term.printJSON(versionJSON{version(), commit, record.Format, runtime.Version(), runtime.GOOS, runtime.GOARCH})
			}
			about := fmt.Sprintf("format %s, %s, %s/%s", record.Format, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if commit != "" {
				about += ", commit " + shortCommit(commit)
			}
			_, err := fmt.Fprintf(term.out, "qme %s (%s)\n", version(), about)
			return err
		},
	}
}
