package reruns

// SetTableFrom sets the length of a list from which its tasks are put into the table, and returns
// what sets it back.
func SetTableFrom(n int) (back func()) {
	was := tableFrom
	tableFrom = n
	return func() { tableFrom = was }
}
