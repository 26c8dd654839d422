package mirror

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"qme/record"
)

// apply catches up in one transaction.
func (m *Mirror) apply(ctx context.Context, h History, anew bool, progress func(int)) (done Applied, err error) {
	tx, err := m.db.BeginTx(ctx, &sql.TxOptions{Isolation: m.dialect.isolation})
	if err != nil {
		return done, err
	}
	defer func() {
		if err != nil {
			if rerr := tx.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
				err = errors.Join(err, rerr)
			}
		}
	}()
	home, from, err := m.lockHome(ctx, tx)
	if err != nil {
		return done, err
	}
	// Read the head only after locking: the previous holder of the lock cannot have seen
	// a later one.
	to, err := h.Head()
	if err != nil {
		return done, ofHistory(err)
	}
	if !anew && from != "" && from != to {
		follows, err := h.IsAncestor(ctx, from, to)
		if err != nil {
			return done, ofHistory(err)
		}
		anew = !follows
	}
	done = Applied{Commit: to, Anew: anew || from == ""}
	if from == to && !anew {
		return done, tx.Commit()
	}
	w := &writer{ctx: ctx, tx: tx, differ: differ{h, m.dialect, m.tables, home, to}, progress: progress, anew: done.Anew, full: map[*table]*sql.Stmt{}}
	if done.Anew {
		err = w.fill()
	} else {
		err = w.write(from)
	}
	if err != nil {
		return done, err
	}
	done.Tasks, done.Unreadable = w.tasks, w.unreadable
	if err := w.note(to, done.Anew); err != nil {
		return done, err
	}
	return done, tx.Commit()
}

// lockHome returns the number of the home's row and the commit up to which the home is
// mirrored. The lock keeps other transactions from changing the rows of the home. The
// error is errTables if tables must be created first.
func (m *Mirror) lockHome(ctx context.Context, tx *sql.Tx) (id int64, commit string, err error) {
	var version int64
	find := func() error {
		err := tx.QueryRowContext(ctx, m.dialect.bind("SELECT id, commit_id, ("+selectVersion+") FROM homes WHERE uid = ?"+m.dialect.lockRow), m.home.ID).Scan(&id, &commit, &version)
		if err != nil && m.dialect.noTable(err) {
			return errTables
		}
		return err
	}
	err = find()
	if errors.Is(err, sql.ErrNoRows) {
		// Another process may be inserting the row at the same time.
		insert := m.dialect.bind("INSERT INTO homes (uid, name, commit_id, unreadable, updated) VALUES (?, ?, ?, ?, ?) " + m.dialect.keep)
		if _, err = tx.ExecContext(ctx, insert, m.home.ID, text(m.home.Name, maxName), "", 0, m.dialect.timeOf(time.Now())); err == nil {
			err = find()
		}
	}
	switch {
	case err != nil:
		return 0, "", err
	case version < int64(m.tables.version):
		return 0, "", errTables
	}
	return id, commit, m.known(version)
}

// A writer writes the changes of one home within a transaction.
type writer struct {
	ctx context.Context
	tx  *sql.Tx
	differ
	progress func(int)

	anew bool // the home has no rows

	taskRows, runRows, fileRows, tagRows, noteRows [][]any

	gone, noted []record.ID // that were removed, or have other tags or notes
	bytes       int         // of the buffered runs and files
	noteBytes   int         // of the buffered notes
	full        map[*table]*sql.Stmt
	tasks       int
	unreadable  []error
}

const (
	// batch is the number of rows in a statement.
	batch = 32
	// batchBytes limits the size of the rows in a statement, which servers limit.
	batchBytes = 1 << 20
)

// clear deletes all rows of the home.
func (w *writer) clear() error {
	for _, t := range w.tables.all() {
		if _, err := w.tx.ExecContext(w.ctx, w.d.bind("DELETE FROM "+t.name+" WHERE home_id = ?"), w.home); err != nil {
			return err
		}
	}
	return nil
}

// fill replaces the rows of the home by the whole history.
func (w *writer) fill() error {
	if err := w.clear(); err != nil {
		return err
	}
	if !w.d.indexLater {
		return w.write("")
	}
	restore, err := w.dropIndexes()
	if err != nil {
		return err
	}
	if err := w.write(""); err != nil {
		return err
	}
	return restore()
}

// dropIndexes drops the indexes of empty tables before they are filled; restore creates
// them again afterwards. Sorting all rows once is faster than updating the indexes for
// each row. If other homes have rows in them, the indexes stay.
func (w *writer) dropIndexes() (restore func() error, err error) {
	none := func() error { return nil }
	var one int
	err = w.tx.QueryRowContext(w.ctx, "SELECT 1 FROM runs UNION ALL SELECT 1 FROM files LIMIT 1").Scan(&one)
	if !errors.Is(err, sql.ErrNoRows) {
		return none, err
	}
	rows, err := w.tx.QueryContext(w.ctx, "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('runs', 'files', 'tags', 'notes') AND sql IS NOT NULL")
	if err != nil {
		return none, err
	}
	var drops, makes []string
	for rows.Next() {
		var name, statement string
		if err := rows.Scan(&name, &statement); err != nil {
			return none, errors.Join(err, rows.Close())
		}
		drops, makes = append(drops, `DROP INDEX "`+strings.ReplaceAll(name, `"`, `""`)+`"`), append(makes, statement)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return none, err
	}
	return func() error { return w.each(makes) }, w.each(drops)
}

// each executes statements.
func (w *writer) each(statements []string) error {
	for _, s := range statements {
		if _, err := w.tx.ExecContext(w.ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) write(from string) error {
	for c := range w.changes(w.ctx, from) {
		if c.err != nil {
			return ofHistory(c.err)
		}
		if err := w.add(c); err != nil {
			return err
		}
		if c.first {
			w.tasks++
		}
		if c.first && w.progress != nil {
			w.progress(w.tasks)
		}
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	return w.flush()
}

func (w *writer) add(c change) error {
	w.unreadable = append(w.unreadable, c.unreadable...)
	switch {
	case c.task != nil:
		w.taskRows = append(w.taskRows, c.task)
		w.addSaid(c)
	case c.first:
		w.gone = append(w.gone, c.id)
	}
	for _, r := range c.runs {
		w.runRows, w.fileRows = append(w.runRows, r.run), append(w.fileRows, r.files...)
		w.bytes += sizeOf(append(r.files, r.run)...)
		if len(w.runRows) == batch || w.bytes > batchBytes {
			if err := w.flushRuns(); err != nil {
				return err
			}
		}
	}
	if len(w.taskRows) == batch || w.noteBytes > batchBytes {
		return w.flushTasks()
	}
	if len(w.gone) == batch {
		return w.remove()
	}
	return nil
}

func (w *writer) addSaid(c change) {
	if c.said == nil {
		return
	}
	w.noted = append(w.noted, c.id)
	w.tagRows, w.noteRows = append(w.tagRows, c.said.tags...), append(w.noteRows, c.said.notes...)
	w.noteBytes += sizeOf(c.said.notes...)
}

// sizeOf returns the bytes of the texts in rows.
func sizeOf(rows ...[]any) (bytes int) {
	for _, row := range rows {
		for _, v := range row {
			if s, ok := v.(string); ok {
				bytes += len(s)
			}
		}
	}
	return bytes
}

// flush writes the buffered rows.
func (w *writer) flush() error {
	if err := w.flushRuns(); err != nil {
		return err
	}
	if err := w.flushTasks(); err != nil {
		return err
	}
	return w.remove()
}

func (w *writer) flushRuns() error {
	if err := w.insert(&w.tables.runs, w.runRows); err != nil {
		return err
	}
	if err := w.removeFiles(); err != nil {
		return err
	}
	if err := w.insertAll(&w.tables.files, w.fileRows); err != nil {
		return err
	}
	w.runRows, w.fileRows, w.bytes = w.runRows[:0], w.fileRows[:0], 0
	return nil
}

// removeFiles deletes the files of the buffered runs, of which there may now be fewer.
func (w *writer) removeFiles() error {
	if w.anew || len(w.runRows) == 0 {
		return nil
	}
	args, conditions := []any{w.home}, make([]string, 0, len(w.runRows))
	for _, row := range w.runRows {
		args, conditions = append(args, row[1:runKeys]...), append(conditions, "task_id = ? AND started = ? AND host = ?")
	}
	_, err := w.tx.ExecContext(w.ctx, w.d.bind("DELETE FROM files WHERE home_id = ? AND ("+strings.Join(conditions, " OR ")+")"), args...)
	return err
}

func (w *writer) flushTasks() error {
	if err := w.insert(&w.tables.tasks, w.taskRows); err != nil {
		return err
	}
	w.taskRows = w.taskRows[:0]
	return w.flushSaid()
}

// insertAll inserts rows by statements of limited size.
func (w *writer) insertAll(t *table, rows [][]any) error {
	for len(rows) > 0 {
		n := 0
		for bytes := 0; n < min(len(rows), batch) && bytes <= batchBytes; n++ {
			bytes += sizeOf(rows[n])
		}
		if err := w.insert(t, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (w *writer) insert(t *table, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	var args []any
	for _, row := range rows {
		args = append(args, row...)
	}
	if len(rows) < batch || w.d.unprepared {
		_, err := w.tx.ExecContext(w.ctx, w.d.upsert(t, len(rows)), args...)
		return err
	}
	full, err := w.prepared(t)
	if err != nil {
		return err
	}
	_, err = full.ExecContext(w.ctx, args...)
	return err
}

// prepared returns the prepared statement for a whole batch, which a long transaction
// executes many times. It ends with the transaction. In PostgreSQL it would stay in the
// session, which a pooler shares between clients.
func (w *writer) prepared(t *table) (*sql.Stmt, error) {
	if w.full[t] == nil {
		stmt, err := w.tx.PrepareContext(w.ctx, w.d.upsert(t, batch))
		if err != nil {
			return nil, err
		}
		w.full[t] = stmt
	}
	return w.full[t], nil
}

// remove deletes removed tasks and all that belongs to them.
func (w *writer) remove() error {
	var names []string
	for _, t := range w.tables.all() {
		names = append(names, t.name)
	}
	err := w.removeOf(w.gone, names...)
	w.gone = w.gone[:0]
	return err
}

// removeOf deletes what tables have of tasks.
func (w *writer) removeOf(ids []record.ID, names ...string) error {
	if len(ids) == 0 {
		return nil
	}
	args := []any{w.home}
	for _, id := range ids {
		args = append(args, string(id))
	}
	list := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(ids)), ", ") + ")"
	for _, name := range names {
		column := "task_id"
		if name == w.tables.tasks.name {
			column = "id"
		}
		if _, err := w.tx.ExecContext(w.ctx, w.d.bind("DELETE FROM "+name+" WHERE home_id = ? AND "+column+" IN "+list), args...); err != nil {
			return err
		}
	}
	return nil
}

// note updates the row of the home.
func (w *writer) note(commit string, anew bool) error {
	count := "unreadable + ?"
	if anew {
		count = "?"
	}
	_, err := w.tx.ExecContext(w.ctx, w.d.bind("UPDATE homes SET commit_id = ?, updated = ?, unreadable = "+count+" WHERE id = ?"),
		commit, w.d.timeOf(time.Now()), len(w.unreadable), w.home)
	return err
}
