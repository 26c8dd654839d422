package mirror

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"qme/mirror/target"
)

// Schema passes the columns of the tables to the functions, like the result of a Query: a
// row with table, name and database type for each column.
func Schema(ctx context.Context, t *target.Target, columns func([]string) error, row func([]any) error) error {
	if err := columns([]string{"table", "column", "type"}); err != nil {
		return err
	}
	for _, table := range []string{"runs", "latest_runs", "tasks", "files", "tags", "notes", "homes"} {
		types, err := columnTypes(ctx, t, table)
		if err != nil {
			return err
		}
		for _, c := range types {
			if err := row([]any{table, c.Name(), strings.ToLower(c.DatabaseTypeName())}); err != nil {
				return err
			}
		}
	}
	return nil
}

// columnTypes returns the columns of a table or view.
func columnTypes(ctx context.Context, t *target.Target, table string) (types []*sql.ColumnType, err error) {
	d := dialects[t.Kind]
	db, err := d.open(t, true)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", t, ErrUnreachable, err)
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+table+" LIMIT 0")
	if err == nil {
		defer rows.Close()
		types, err = rows.ColumnTypes()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", t, ErrUnreachable, err)
	}
	return types, nil
}
