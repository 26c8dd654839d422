package queue

import "testing"

func TestWhereTheWorkerRuns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		around      surroundings
		here        Place
		scope, ends bool
	}{
		{surroundings{}, Place{}, false, false},
		{surroundings{kills: true}, Place{}, false, false},
		{surroundings{manager: true}, Place{}, false, false},
		{surroundings{manager: true, linger: true}, Place{}, true, false},
		{surroundings{manager: true, kills: true}, Place{}, true, true},
		{surroundings{manager: true, linger: true, kills: true}, Place{}, true, false},
		{surroundings{manager: true, linger: true}, Place{Slurm: "7"}, false, false},
	} {
		if scope, ends := c.around.decide(c.here); scope != c.scope || ends != c.ends {
			t.Errorf("%+v, %+v: a scope %v, ends %v", c.around, c.here, scope, ends)
		}
	}
}
