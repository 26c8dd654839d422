package dashboard

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"

	"qme/internal/near"
)

// described are the names of the parameters in the query of each request, as openapi.json lists
// them, by method and path: "GET /api/tasks/{id}".
var described = sync.OnceValues(func() (map[string][]string, error) {
	type parameter struct {
		Ref      string `json:"$ref"`
		Name, In string
	}
	var doc struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct{ Parameters map[string]parameter }
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		return nil, fmt.Errorf("read openapi.json: %w", err)
	}
	all := map[string][]string{}
	for at, item := range doc.Paths {
		for method, text := range item {
			if method == "parameters" { // those of the path
				continue
			}
			var operation struct{ Parameters []parameter }
			if err := json.Unmarshal(text, &operation); err != nil {
				return nil, fmt.Errorf("read openapi.json: %w", err)
			}
			key := strings.ToUpper(method) + " " + at
			all[key] = nil
			for _, p := range operation.Parameters {
				if p.Ref != "" {
					p = doc.Components.Parameters[path.Base(p.Ref)]
				}
				if p.In == "query" {
					all[key] = append(all[key], p.Name)
				}
			}
		}
	}
	return all, nil
})

// checkParameters rejects a request with a parameter that it does not have: with a mistyped
// filter it would select all.
func checkParameters(r *http.Request) error {
	if r.URL.RawQuery == "" || !strings.HasPrefix(r.URL.Path, "/api/") {
		return nil
	}
	all, err := described()
	if err != nil {
		return err
	}
	names, ok := all[strings.Replace(r.Pattern, "{part}", r.PathValue("part"), 1)]
	if !ok {
		return nil // there is no such part
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("the parameters cannot be read: " + err.Error())
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case slices.Contains(names, name):
		case len(names) == 0:
			return badRequest(fmt.Sprintf("there is no parameter %.60q here, nor any other", name))
		default:
			meant := ""
			if best := near.Best(name, names); best != "" {
				meant = fmt.Sprintf("; did you mean %s?", best)
			}
			return badRequest(fmt.Sprintf("there is no parameter %.60q here, but %s%s", name, strings.Join(names, ", "), meant))
		}
	}
	return nil
}
