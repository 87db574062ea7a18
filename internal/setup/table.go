package setup

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	eastasian "golang.org/x/text/width"
)

// A table of the AWS CLI has a section for each object and list. A section has a title in
// the middle, a border, sometimes names and a border again, rows, and a border. Each level
// of nesting adds a bar at both sides.
//
//	-----------------------------------
//	|             GetRole             |
//	+-----------+---------------------+
//	|  Version  |  2012-10-17         |
//	+-----------+---------------------+
//	||           Statement           ||
//	|+----------------+--------------+|
//	||     Action     |    Effect    ||
//	|+----------------+--------------+|
//	||  sts:AssumeRole|  Allow       ||
//	|+----------------+--------------+|
//
// The AWS CLI prints the whole of a value, and borders say where a value ends, so that a
// value that has a bar or a line break cannot pass for a row. What a table does not show
// is refused, or noted if nothing in it tells.

// section is one section of a table.
type section struct {
	title string
	line  int // of the title, from 0
	level int
	names []string // the row of names; nil if there is none
	rows  [][]string
	under []*section
}

// tableLines are the lines of a table. Each has as many columns: a wide character takes two, and the second is 0.
type tableLines [][]rune

// fromTable is the answer to GetRole that the AWS CLI printed as a table.
func fromTable(text string) (any, error) {
	lines, err := gridOf(text)
	if err != nil {
		return nil, err
	}
	root, err := lines.sections()
	if err != nil {
		return nil, err
	}
	if role := root.child("Role"); role != nil {
		root = role
	}
	policy := cmp.Or(root.child("AssumeRolePolicyDocument"), root)
	value, err := policy.value()
	if err != nil {
		return nil, err
	}
	answer := object{{"AssumeRolePolicyDocument", value}}
	if policy != root {
		answer = append(answer, member{"Arn", root.cell("Arn")})
	}
	return answer, nil
}

func badTable(line int, format string, args ...any) error {
	return fmt.Errorf("is a table of the AWS CLI that "+format+", at line %d", append(args, line+1)...)
}

// gridOf splits a table into lines of equal width.
func gridOf(text string) (lines tableLines, err error) {
	for i, line := range strings.Split(text, "\n") {
		columns, err := columnsOf(strings.TrimSuffix(line, "\r"))
		if err != nil {
			return nil, badTable(i, "%w", err)
		}
		if i > 0 && len(columns) != len(lines[0]) {
			return nil, badTable(i, "is cut, wrapped or changed")
		}
		lines = append(lines, columns)
	}
	if strings.Trim(string(lines[0]), "-") != "" {
		return nil, badTable(0, "is without its top")
	}
	return lines, nil
}

// columnsOf are the columns of a line as the AWS CLI counts them: what Unicode calls wide, full-width or ambiguous
// takes two.
func columnsOf(line string) (columns []rune, err error) {
	for _, r := range line {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return nil, fmt.Errorf("has the character %+q", r)
		}
		columns = append(columns, r)
		if isWide(r) {
			columns = append(columns, 0)
		}
	}
	return columns, nil
}

// textOf is what columns have in them.
func textOf(columns []rune) string {
	return string(slices.DeleteFunc(slices.Clone(columns), func(r rune) bool { return r == 0 }))
}

// sections are all sections of a table, as the first one with the others under it.
func (t tableLines) sections() (*section, error) {
	var path []*section // from the first section to the last one that was read
	for at := 1; at < len(t); {
		s, next, err := t.section(at, path)
		if err != nil {
			return nil, err
		}
		at, path = next, append(path[:s.level:s.level], s)
	}
	if len(path) == 0 {
		return nil, badTable(0, "is cut, wrapped or changed")
	}
	return path[0], nil
}

// section reads the section whose title is at a line, and puts it under its parent in path. next is the line after it.
func (t tableLines) section(at int, path []*section) (s *section, next int, err error) {
	ends, level := t.border(at + 1)
	if ends == nil || level > len(path) || level == 0 && len(path) > 0 {
		return nil, 0, badTable(at, "is cut, wrapped or changed")
	}
	s = &section{line: at, level: level}
	if s.title, err = t.title(at, level); err != nil {
		return nil, 0, err
	}
	scalar := false
	if level > 0 {
		parent := path[level-1]
		parent.under = append(parent.under, s)
		scalar, err = parent.showsScalar(s)
	}
	next = at + 2
	if _, inner := t.border(next + 1); err != nil || scalar || next == len(t) || inner > level {
		return s, next, err
	}
	if names := t.names(next, level, ends); names != nil {
		s.names, next = names, next+2
	}
	for ; next < len(t); next++ {
		if t.same(next, at+1) {
			if len(s.rows) == 0 {
				break
			}
			return s, next + 1, nil
		}
		row, ok := t.row(next, level, ends)
		if !ok {
			break
		}
		s.rows = append(s.rows, row)
	}
	return nil, 0, badTable(min(next, len(t)-1), "is cut, wrapped or changed")
}

// showsScalar reports whether the parent of a section has its value in a cell. The AWS CLI does so in a list of
// statements: one has a string, which is in the cell and its section is empty, and the other has a list or an object,
// whose section has it, and the cell has it as Python writes it.
func (s *section) showsScalar(child *section) (bool, error) {
	cell, ok := s.lookup(child.title)
	if ok && cell == "" {
		return false, badTable(child.line, "has %q twice", visible(child.title))
	}
	return ok && !strings.ContainsAny(cell[:1], "[{"), nil
}

// border are the columns of the plus signs in the border at a line, and its level; nil if there is no border.
func (t tableLines) border(at int) (ends []int, level int) {
	if at >= len(t) {
		return nil, -1
	}
	for level = 0; level < len(t[at]) && t[at][level] == '|'; level++ {
	}
	for i := level; i < len(t[at])-level; i++ {
		switch r := t[at][i]; {
		case r == '+':
			ends = append(ends, i)
		case r != '-' || len(ends) == 0:
			return nil, -1
		}
	}
	if len(ends) < 2 || ends[len(ends)-1] != len(t[at])-level-1 || !t.bars(at, level) {
		return nil, -1
	}
	return ends, level
}

// bars reports whether a line has the bars of a level at both sides.
func (t tableLines) bars(at, level int) bool {
	line := t[at]
	return 2*level <= len(line) && strings.Trim(string(line[:level])+string(line[len(line)-level:]), "|") == ""
}

func (t tableLines) same(a, b int) bool { return slices.Equal(t[a], t[b]) }

// title is the title of a section.
func (t tableLines) title(at, level int) (string, error) {
	text, ok := "", false
	if t.bars(at, level+1) {
		text, ok = centred(t[at][level+1:len(t[at])-level-1], 2)
	}
	if !ok || text == "" || strings.Contains(text, "|") {
		return "", badTable(at, "is cut, wrapped or changed")
	}
	return text, nil
}

// centred is the text in the middle of columns, which have one or two edges.
func centred(columns []rune, edges int) (text string, ok bool) {
	text = strings.Trim(textOf(columns), " ")
	used := widthOf(text)
	before := max((len(columns)+edges)/2-used/2-1, 0)
	return text, before+used <= len(columns) && textOf(columns[before:before+used]) == text
}

// widthOf counts the columns of a text.
func widthOf(text string) (columns int) {
	for _, r := range text {
		columns++
		if isWide(r) {
			columns++
		}
	}
	return columns
}

func isWide(r rune) bool {
	switch eastasian.LookupRune(r).Kind() {
	case eastasian.EastAsianWide, eastasian.EastAsianFullwidth, eastasian.EastAsianAmbiguous:
		return true
	}
	return false
}

// names are the names in the row at a line; nil if it is a row of values.
func (t tableLines) names(at, level int, ends []int) []string {
	var names []string
	for i, cell := range t.cells(at, level, ends) {
		name, ok := centred(cell, 2-min(i, 1)) // a border is the edge of the cell before it only
		if !ok || name == "" {
			return nil
		}
		names = append(names, name)
	}
	if at+3 >= len(t) || !t.same(at+1, at-1) {
		return nil
	}
	_, first := t.row(at, level, ends)
	if _, second := t.row(at+2, level, ends); !second || first && len(names) == 1 {
		return nil // what follows is the title of another section, or could be
	}
	return names
}

// row are the values in the row at a line.
func (t tableLines) row(at, level int, ends []int) (values []string, ok bool) {
	for _, cell := range t.cells(at, level, ends) {
		value, ok := leftAligned(cell)
		if !ok {
			return nil, false
		}
		values = append(values, value)
	}
	return values, len(values) > 0
}

// leftAligned is the value in a cell. It has two spaces before it, or none if it fills the cell but for one column.
func leftAligned(cell []rune) (value string, ok bool) {
	value = strings.TrimRight(textOf(cell), " ")
	if inner, ok := strings.CutPrefix(value, "  "); ok {
		return inner, inner[0] != ' '
	}
	return value, value == "" || value[0] != ' ' && widthOf(value)+1 == len(cell)
}

// cells are the columns between the bars of a row; nil if it has no bars there.
func (t tableLines) cells(at, level int, ends []int) (cells [][]rune) {
	line := t[at]
	if !t.bars(at, level+1) {
		return nil
	}
	for i, end := range ends[1:] {
		if line[end] != '|' {
			return nil
		}
		cells = append(cells, line[ends[i]+1:end])
	}
	return cells
}

// child is the section of a title under s; nil if there is none, or more than one.
func (s *section) child(title string) (found *section) {
	for _, c := range s.under {
		if c.title == title {
			if found != nil {
				return nil
			}
			found = c
		}
	}
	return found
}

// cell is the value with a name in the only row of s; empty if there is none.
func (s *section) cell(name string) string {
	value, _ := s.lookup(name)
	return value
}

func (s *section) lookup(name string) (string, bool) {
	for _, m := range s.cells() {
		if m.key == name {
			return m.value.(string), true
		}
	}
	return "", false
}

// cells are the strings of the object of s. Where they are too wide, the AWS CLI prints
// the names in a column instead of a row.
func (s *section) cells() (o object) {
	switch {
	case len(s.names) > 0 && len(s.rows) == 1:
		for i, name := range s.names {
			o = append(o, member{name, s.rows[0][i]})
		}
	case len(s.names) == 0 && len(s.rows) > 0 && len(s.rows[0]) == 2:
		for _, row := range s.rows {
			o = append(o, member{row[0], row[1]})
		}
	}
	return o
}

// value is the value of a section.
func (s *section) value() (any, error) {
	for _, row := range s.rows {
		for _, cell := range row {
			if slices.Contains([]string{"True", "False", "None"}, cell) {
				return nil, badTable(s.line, "does not show whether %s is a string, in %q", cell, visible(s.title))
			}
		}
	}
	switch {
	case len(s.rows) == 0 && len(s.under) == 0:
		return nil, badTable(s.line, "does not show what %q has", visible(s.title))
	case len(s.rows) > 0 && len(s.rows[0]) == 1 && len(s.names) == 0:
		return s.list()
	case len(s.rows) > 1 && len(s.names) > 0:
		return s.objects()
	}
	return s.object(s.cells())
}

// list is the list of strings of a section.
func (s *section) list() (list []any, err error) {
	for _, row := range s.rows {
		list = append(list, row[0])
	}
	if len(s.under) > 0 {
		return nil, badTable(s.line, "is cut, wrapped or changed")
	}
	return list, nil
}

// objects is the list of objects of a section that has a row for each.
func (s *section) objects() (list []any, err error) {
	for _, row := range s.rows {
		one, err := (&section{title: s.title, line: s.line, names: s.names, rows: [][]string{row}, under: s.under}).value()
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	if len(s.under) > 0 {
		return nil, badTable(s.line, "is cut, wrapped or changed")
	}
	return list, nil
}

// object is the object of a section that has these cells.
func (s *section) object(cells object) (any, error) {
	o := object{}
	for _, m := range cells {
		under := slices.IndexFunc(s.under, func(c *section) bool { return c.title == m.key && !c.isEmpty() })
		inStatement, text := s.title == "Statement", m.value.(string)
		switch {
		case under >= 0 || inStatement && text == "": // only another statement has it
		case inStatement && strings.ContainsAny(text[:1], "[{"):
			return nil, badTable(s.line, "does not show what %q has", visible(m.key))
		default:
			o = append(o, m)
		}
	}
	for i, c := range s.under {
		switch {
		case c.isEmpty() && s.cell(c.title) != "":
			continue
		case slices.ContainsFunc(s.under[:i], func(before *section) bool { return before.title == c.title }):
			continue
		}
		value, err := s.allOf(c.title)
		if err != nil {
			return nil, err
		}
		o = append(o, member{c.title, value})
	}
	if len(o) == 0 {
		return nil, badTable(s.line, "is cut, wrapped or changed")
	}
	return o, nil
}

func (s *section) isEmpty() bool { return len(s.rows) == 0 && len(s.under) == 0 }

// allOf is the value of the sections of a title under s: a list has a section for each of its objects.
func (s *section) allOf(title string) (any, error) {
	var list []any
	for _, c := range s.under {
		if c.title != title {
			continue
		}
		value, err := c.value()
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}
