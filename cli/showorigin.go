package cli

import (
	"strings"

	"qme/executor"
	"qme/internal/safe"
)

// origin shows the task whose command was changed to make that of the run, and the change.
func (p *page) origin() {
	from := p.r.Data.Origin
	if from == nil {
		return
	}
	list, there, err := p.v.Changes()
	var texts []string
	for _, c := range list {
		text := c.Name + " " + executor.Quote([]string{c.Now})
		if c.Known {
			text = c.Name + " " + executor.Quote([]string{c.Was}) + " → " + executor.Quote([]string{c.Now})
		}
		texts = append(texts, text)
	}
	text := string(from.UID)
	if len(texts) > 0 {
		text += " (" + strings.Join(texts, ", ") + ")"
	}
	switch {
	case err != nil:
		text += ", which cannot be read: " + said(err.Error())
	case !there:
		text += ", which is not in this home"
	}
	p.line("Origin", safe.Line(text))
}
