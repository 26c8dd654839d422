package tasks

// checking is a check that is under way.
type checking struct {
	ref Version // with what it is compared
}
