package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"qme/cli/config"
	"qme/index/query"
	"qme/internal/intime"
	"qme/internal/regular"
	"qme/internal/safe"
)

// keeps saves a query or lists those that were saved, if the options say so; then done is true.
func (cmd *searchCommand) keeps(c *cli.Command, text string, o searchOptions) (done bool, err error) {
	alone := func(option string, others ...string) error {
		for _, name := range []string{"save", "saved", "list-saved", "regex", "all-runs", "cleared", "limit", "sort", "ids", "json", "count", "count-by"} {
			if c.IsSet(name) && name != option && !slices.Contains(others, name) {
				if name == "limit" {
					name = "limit (-n)"
				}
				return &usageError{msg: fmt.Sprintf("--%s does not go with --%s", option, name), help: "qme search --help"}
			}
		}
		return nil
	}
	switch {
	case c.IsSet("save"):
		if err := alone("save", "regex"); err != nil {
			return true, err
		}
		return true, cmd.save(config.Search{Name: o.save, Query: text, Regex: o.regex})
	case o.listSaved:
		if err := alone("list-saved", "json"); err != nil {
			return true, err
		}
		if text != "" {
			return true, &usageError{msg: "--list-saved takes no query", help: "qme search --help"}
		}
		return true, cmd.listSaved(o.json)
	}
	return false, nil
}

// save keeps a query in the settings, in place of what has its name.
func (cmd *searchCommand) save(s config.Search) error {
	if err := config.CheckSearchName(s.Name); err != nil {
		return settingError(err)
	}
	if _, err := parseQuery(s.Query, s.Regex); err != nil {
		return err
	}
	home, err := cmd.settings.homeDir()
	if err != nil {
		return err
	}
	cfg, err := cmd.settings.config()
	if err != nil {
		return err
	}
	all := cfg.Searches()
	if err := config.Set(regular.NewFS(), home, config.SearchKey(s.Name), s.Value()); err != nil {
		return settingError(err)
	}
	before := slices.IndexFunc(all, func(old config.Search) bool { return old.Name == s.Name })
	if before < 0 || all[before] == s {
		cmd.term.note("Saved as %s.", s.Name)
		return nil
	}
	cmd.term.note("Saved as %s, which was: %s", s.Name, safe.Bounded(all[before].Value()))
	return nil
}

// listSaved lists the saved searches, as JSON one object per line.
func (cmd *searchCommand) listSaved(asJSON bool) error {
	cfg, err := cmd.settings.config()
	if err != nil {
		return err
	}
	all := cfg.Searches()
	if asJSON {
		return cmd.savedJSON(all)
	}
	if len(all) == 0 {
		cmd.term.note("There are no saved searches; \"qme search --save NAME QUERY\" saves one.")
		return nil
	}
	w := tabwriter.NewWriter(cmd.term.out, 0, 8, 2, ' ', 0)
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\n", s.Name, safe.Line(s.Value()))
	}
	return w.Flush()
}

// savedJSON prints saved searches. The keys are stable.
func (cmd *searchCommand) savedJSON(all []config.Search) error {
	for _, s := range all {
		if err := writeJSON(cmd.term.out, struct {
			Name  string `json:"name"`
			Query string `json:"query"`
			Regex bool   `json:"regex,omitempty"`
		}{s.Name, strings.TrimSpace(s.Query), s.Regex}); err != nil {
			return err
		}
	}
	return nil
}

// query returns the query to search for: that of the arguments, a saved one, or both.
func (cmd *searchCommand) query(isSaved bool, text string, o searchOptions) (*query.Query, error) {
	if !isSaved && (o.countBy != "" || o.cleared) && strings.TrimSpace(text) == "" {
		return new(query.Query), nil // all tasks
	}
	if !isSaved {
		return parseQuery(text, o.regex)
	}
	saved, _, err := cmd.settings.savedQuery(o.saved)
	if err != nil {
		return nil, err
	}
	if text == "" {
		return saved, nil
	}
	further, err := parseQuery(text, o.regex)
	if err != nil {
		return nil, err
	}
	return query.All(saved, further), nil
}

// savedQuery returns the query that was saved under a name.
func (s *settings) savedQuery(name string) (*query.Query, config.Search, error) {
	cfg, err := s.config()
	if err != nil {
		return nil, config.Search{}, err
	}
	found, err := cfg.Search(name)
	if err != nil {
		return nil, found, settingError(err)
	}
	q, err := parseQuery(found.Query, found.Regex)
	var wrong *usageError
	if errors.As(err, &wrong) {
		wrong.msg = fmt.Sprintf("the saved search %s: %s", found.Name, wrong.msg)
	}
	return q, found, err
}

// checkSaved returns an error if the value of a setting is a saved search that cannot be searched
// for.
func checkSaved(key, value string) error {
	if !config.IsSearch(key) {
		return nil
	}
	s := config.SearchOf("", value)
	_, err := parseQuery(s.Query, s.Regex)
	return err
}

// searches returns the saved searches, for completion.
func (c *completion) searches() []config.Search {
	flag := c.homeFlag
	return intime.Collect(intime.Limits{Processor: completeTime, Clock: completeWait}, func(send func(config.Search)) {
		dir, err := newApp(&terminal{homeFlag: flag, silent: true}).settings.homeDir()
		if err != nil {
			return
		}
		for _, s := range config.Read(regular.NewFS(), dir, nil).Searches() {
			send(s)
		}
	})
}

func (c *completion) searchCandidates(before string) []candidate {
	var found []candidate
	for _, s := range c.searches() {
		found = append(found, candidate{before + s.Name, s.Value()})
	}
	return found
}
