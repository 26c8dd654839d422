package sweep

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
)

// A Space is the product of lists of points: each point of one with each of the others. It holds the lists alone.
type Space struct {
	factors [][]Point
	size    int
}

// NewSpace returns the product of lists, of which the last one changes fastest. No parameter may be in two of them. The
// error wraps ErrInvalid, also if there are more than MostPoints.
func NewSpace(factors ...[]Point) (*Space, error) {
	s := &Space{size: 1}
	seen := map[string]bool{}
	for _, f := range factors {
		if len(f) == 0 {
			return nil, fmt.Errorf("a parameter has no values: %w", ErrInvalid)
		}
		for _, p := range f[0] {
			if seen[p.Name] {
				return nil, fmt.Errorf("the parameter %s is named twice: %w", p.Name, ErrInvalid)
			}
			seen[p.Name] = true
		}
		if s.size > MostPoints/len(f) {
			return nil, fmt.Errorf("these parameters have more than %d settings: %w", MostPoints, ErrInvalid)
		}
		s.size *= len(f)
		s.factors = append(s.factors, f)
	}
	return s, nil
}

// Len returns the number of points, 1 for no factors.
func (s *Space) Len() int { return s.size }

// Names returns the names of all parameters.
func (s *Space) Names() (names []string) {
	for _, p := range s.At(0) {
		names = append(names, p.Name)
	}
	return names
}

// At returns the point of a number from 0 to Len()-1.
func (s *Space) At(i int) Point {
	places := make([]int, len(s.factors))
	for f := len(s.factors) - 1; f >= 0; f-- {
		places[f] = i % len(s.factors[f])
		i /= len(s.factors[f])
	}
	var p Point
	for f, at := range places {
		p = append(p, s.factors[f][at]...)
	}
	return p
}

// Random returns the numbers of n different points, ascending; all of them if there are no more. The same seed chooses the
// same points for ever: PCG is a fixed algorithm, and what is made of its numbers is written here.
func (s *Space) Random(n int, seed uint64) []int {
	if n >= s.size {
		n = s.size
	}
	source := rand.NewPCG(seed, 0)
	// Floyd's algorithm: each set of n numbers is as likely as any other, and none is drawn twice.
	// Bentley, Floyd: A sample of brilliance, CACM 30 (1987).
	chosen := make(map[int]bool, n)
	for top := s.size - n; top < s.size; top++ {
		i := below(source, top+1)
		if chosen[i] {
			i = top
		}
		chosen[i] = true
	}
	list := make([]int, 0, n)
	for i := range chosen {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}

// below draws a number from 0 to n-1, all of which are as likely.
func below(source *rand.PCG, n int) int {
	least := -uint64(n) % uint64(n) // 2^64 mod n: what is below would be too likely
	for {
		if x := source.Uint64(); x >= least {
			return int(x % uint64(n))
		}
	}
}

// Values returns the values of a point p by their names, and those of the task: its id, the name of its group, and its number
// in that, from 1.
func Values(p Point, id, group string, index int) map[string]string {
	values := map[string]string{"id": id, "group": group, "index": strconv.Itoa(index)}
	for _, param := range p {
		values[param.Name] = param.Value
	}
	return values
}
