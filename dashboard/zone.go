package dashboard

import (
	"fmt"
	"net/http"
	"qme/internal/lazy"
	"time"
	_ "time/tzdata" // for machines that know no zones, or not by the names that browsers have for them
)

// zoneName is what a name of the time zone database looks like: never a path.
var zoneName = lazy.Regexp(`^[A-Za-z][A-Za-z0-9_+-]{0,30}(/[A-Za-z0-9_+-]{1,30}){0,2}$`)

// zoneOf returns the zone in which a request counts its days: tz, or that of the server.
func zoneOf(r *http.Request) (*time.Location, error) {
	name := r.URL.Query().Get("tz")
	if name == "" {
		return time.Local, nil
	}
	if zoneName().MatchString(name) && name != "Local" {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc, nil
		}
	}
	return nil, problem(http.StatusBadRequest, "unknown-zone", fmt.Sprintf("tz %.100q is no time zone, such as Europe/Zurich", name))
}
