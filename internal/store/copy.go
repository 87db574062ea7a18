package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// table is a table of the schema, as SQLite describes it.
type table struct {
	name     string
	columns  []string
	booleans []bool   // by column: SQLite stores numbers there, which PostgreSQL does not take
	refers   []string // the tables that its foreign keys refer to
}

// Statements about the schema of SQLite. The names of tables and columns come from it, so a backup needs no list that
// a migration could leave out of date.
const (
	selectTables = `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
		AND name NOT IN ('goose_db_version', 'backup') ORDER BY name`
	selectColumns    = `SELECT name FROM pragma_table_info($1) ORDER BY cid`
	selectTypes      = `SELECT upper(type) FROM pragma_table_info($1) ORDER BY cid`
	selectReferences = `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1) ORDER BY 1`
)

// tablesOf returns the tables of a SQLite database that have our data, each after those it refers to.
func tablesOf(ctx context.Context, lite querier) ([]table, error) {
	names, err := column(ctx, lite, selectTables)
	if err != nil {
		return nil, err
	}
	var all []table
	for _, name := range names {
		t := table{name: name}
		if t.columns, err = column(ctx, lite, selectColumns, name); err != nil {
			return nil, err
		}
		types, err := column(ctx, lite, selectTypes, name)
		if err != nil {
			return nil, err
		}
		for _, of := range types {
			t.booleans = append(t.booleans, of == "BOOLEAN")
		}
		if t.refers, err = column(ctx, lite, selectReferences, name); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return inOrder(all)
}

// inOrder sorts tables so that each comes after those it refers to.
func inOrder(all []table) (sorted []table, err error) {
	known := map[string]bool{}
	for len(sorted) < len(all) {
		before := len(sorted)
		for _, t := range all {
			if !known[t.name] && !slices.ContainsFunc(t.refers, func(to string) bool { return !known[to] && to != t.name }) {
				known[t.name] = true
				sorted = append(sorted, t)
			}
		}
		if len(sorted) == before {
			return nil, fmt.Errorf("the tables refer to each other in a circle")
		}
	}
	return sorted, nil
}

// column returns the first column of a query.
func column(ctx context.Context, q querier, text string, args ...any) (values []string, err error) {
	err = query(ctx, q, adHoc("describing the schema", text), func(scan scan) error {
		var value string
		err := scan(&value)
		values = append(values, value)
		return err
	}, args...)
	return values, err
}

// adHoc is a statement over the tables of one database. The test that prepares all statements does not know it.
func adHoc(name, text string) *statement {
	return &statement{name: name, text: func() string { return text }}
}

// copyValues is about how many values one statement inserts. SQLite takes 32,766 and PostgreSQL 65,535.
const copyValues = 2000

// copyTable copies the rows of a table, and returns how many there are.
func copyTable(ctx context.Context, t table, from, to querier, progress func(string)) (rows int64, err error) {
	columns := `"` + strings.Join(t.columns, `", "`) + `"`
	row := "(" + strings.Repeat("?, ", len(t.columns)-1) + "?)"
	size := max(1, copyValues/len(t.columns))
	into := "INSERT INTO " + t.name + " (" + columns + ") VALUES "
	whole := adHoc("copying "+t.name, into+placeholders(row, size))
	var pending []any
	flush := func() error {
		n := len(pending) / len(t.columns)
		st := whole
		if n < size {
			st = adHoc(whole.name, into+placeholders(row, n))
		}
		_, err := exec(ctx, to, st, pending...)
		rows, pending = rows+int64(n), pending[:0]
		progress(fmt.Sprintf("copying %s, %d rows", t.name, rows))
		return err
	}
	read := adHoc("reading "+t.name, "SELECT "+columns+" FROM "+t.name)
	err = query(ctx, from, read, func(scan scan) error {
		values, into := make([]any, len(t.columns)), make([]any, len(t.columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := scan(into...); err != nil {
			return err
		}
		for i, value := range values {
			values[i] = portable(value, t.booleans[i])
		}
		if pending = append(pending, values...); len(pending) < size*len(t.columns) {
			return nil
		}
		return flush()
	})
	if err == nil && len(pending) > 0 {
		err = flush()
	}
	return rows, err
}

// portable converts a value as SQLite reads it to one that PostgreSQL takes.
func portable(value any, boolean bool) any {
	switch v := value.(type) {
	case int64:
		if boolean {
			return v != 0
		}
	case []byte:
		if v == nil {
			return []byte{} // empty; NULL is no []byte
		}
	}
	return value
}

// copyTables copies all rows of the tables, and checks afterwards that both sides have as many.
func copyTables(ctx context.Context, tables []table, from, to querier, progress func(string)) error {
	for _, t := range tables {
		if _, err := copyTable(ctx, t, from, to, progress); err != nil {
			return err
		}
	}
	there, err := countRows(ctx, tables, from)
	if err != nil {
		return err
	}
	here, err := countRows(ctx, tables, to)
	if err != nil {
		return err
	}
	for name, n := range there {
		if here[name] != n {
			return rolebroker.Errorf(rolebroker.CodeInternal, "%d rows of %s arrived, of %d", here[name], name, n)
		}
	}
	return nil
}

// countRows counts the rows of tables.
func countRows(ctx context.Context, tables []table, q querier) (map[string]int64, error) {
	counts := map[string]int64{}
	for _, t := range tables {
		var n int64
		err := query(ctx, q, adHoc("counting "+t.name, "SELECT count(*) FROM "+t.name),
			func(scan scan) error { return scan(&n) })
		if err != nil {
			return nil, err
		}
		counts[t.name] = n
	}
	return counts, nil
}
