package mirror

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"qme/mirror/target"
)

// Query runs a read-only query. It calls columns with the column names and then row with
// each row. A value is nil, a bool, int64, float64, json.Number or string; a time is a
// string in UTC. The slice passed to row belongs to the callee. The error wraps ErrQuery
// if the database rejects the query. An error of columns or row is returned as it is. If
// only part of the result could be read, the error says so.
func Query(ctx context.Context, t *target.Target, statement string, columns func([]string) error, row func([]any) error) error {
	d := dialects[t.Kind]
	if err := d.grammar.check(statement); err != nil {
		return err
	}
	db, err := d.open(t, true)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", t, ErrUnreachable, err)
	}
	defer db.Close()
	r := &reader{target: t, d: d, columns: columns, row: row}
	err = r.query(ctx, db, statement)
	var own *callerError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own.err
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", t, ctx.Err())
	case errors.Is(err, ErrQuery):
		return err
	}
	refused := d.refused(err)
	if r.given > 0 {
		err = fmt.Errorf("the result ends after %d rows, which are not all of it: %w", r.given, err)
	}
	if refused {
		return fmt.Errorf("%w: %w", ErrQuery, err)
	}
	return fmt.Errorf("%s: %w: %w", t, ErrUnreachable, err)
}

// A callerError is an error of a function of the caller.
type callerError struct{ err error }

// Error implements error.
func (e *callerError) Error() string { return e.err.Error() }

type reader struct {
	target  *target.Target
	d       *dialect
	columns func([]string) error
	row     func([]any) error
	given   int // rows
}

func (r *reader) query(ctx context.Context, db *sql.DB, statement string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if r.target.Kind != target.SQLite {
		return r.queryServer(ctx, conn, statement)
	}
	// The file is opened read-only, but databases attached by a query would not be.
	if _, err := sqlite.Limit(conn, sqlite3.SQLITE_LIMIT_ATTACHED, 0); err != nil {
		return err
	}
	rows, err := conn.QueryContext(ctx, statement)
	if err != nil {
		return err
	}
	return r.read(rows)
}

// queryServer queries in a read-only transaction. It leaves the session unchanged, since
// a pooler shares it between clients.
func (r *reader) queryServer(ctx context.Context, conn *sql.Conn, statement string) error {
	wait, err := ending(conn)
	if err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() {
		_ = tx.Rollback() // there are no changes to undo
		if ctx.Err() != nil {
			wait()
		}
	}()
	rows, err := tx.QueryContext(ctx, statement)
	if err != nil {
		return err
	}
	return r.read(rows)
}

func (r *reader) read(rows *sql.Rows) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	if len(types) == 0 {
		if err := rows.Err(); err != nil {
			return err
		}
		return fmt.Errorf("%w: it has no result; the mirror can only be read", ErrQuery)
	}
	names, decimal := make([]string, len(types)), make([]bool, len(types))
	for i, t := range types {
		names[i] = t.Name()
		decimal[i] = slices.Contains([]string{"NUMERIC", "DECIMAL"}, t.DatabaseTypeName())
	}
	if err := r.columns(names); err != nil {
		return &callerError{err}
	}
	for rows.Next() {
		values, at := make([]any, len(types)), make([]any, len(types))
		for i := range values {
			at[i] = &values[i]
		}
		if err := rows.Scan(at...); err != nil {
			return err
		}
		for i, v := range values {
			values[i] = plainValue(v, decimal[i])
		}
		if err := r.row(values); err != nil {
			return &callerError{err}
		}
		r.given++
	}
	return rows.Err()
}

func plainValue(v any, decimal bool) any {
	switch x := v.(type) {
	case []byte:
		return plainValue(string(x), decimal)
	case string:
		if decimal && json.Valid([]byte(x)) {
			return json.Number(x)
		}
	case time.Time:
		return x.UTC().Format(timeLayout)
	case int32:
		return int64(x)
	case float32:
		return float64(x)
	case uint64, int8, int16:
		return json.Number(fmt.Sprint(x))
	case nil, bool, int64, float64:
	default:
		return fmt.Sprint(x)
	}
	return v
}
