package roleimport

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// columns are the columns of a CSV without a header, in their order.
var columns = []string{"name", "arn", "region", "session_duration"}

// separator is the character between the cells of a line, as spreadsheets write it; 0: there is none.
func separator(line string) rune {
	for _, r := range ",;\t" {
		if strings.ContainsRune(line, r) {
			return r
		}
	}
	return 0
}

// readCSV reads one role a line. The first line may name the columns, in any order.
func readCSV(text string, comma rune) (list List, err error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.Comment, r.FieldsPerRecord, r.TrimLeadingSpace = comma, '#', -1, comma != '\t'
	var wrong []Problem
	header := columns
	for first := true; ; first = false {
		record, err := r.Read()
		var broken *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return list, invalid(wrong)
		case errors.As(err, &broken):
			wrong = append(wrong, Problem{Line: broken.Line, Message: "the quotes are not those of CSV"})
			return list, invalid(wrong)
		case err != nil:
			return list, err
		}
		line, _ := r.FieldPos(0)
		if first && isHeader(record) {
			header = named(record)
			if unknown := unknownColumn(header, line); unknown != nil {
				return list, invalid([]Problem{*unknown})
			}
			continue
		}
		role, found := readRecord(header, record, line)
		if len(found) == 0 && role != (Role{}) {
			list.Roles = append(list.Roles, role)
		}
		wrong = append(wrong, found...)
	}
}

// isHeader reports whether a line names the columns.
func isHeader(record []string) bool { return slices.Contains(named(record), "arn") }

// named are the names of columns as in columns: "Session duration" is "session_duration".
func named(record []string) (names []string) {
	for _, cell := range record {
		name := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(cell)))
		if name == "role_arn" {
			name = "arn"
		}
		names = append(names, name)
	}
	return names
}

func unknownColumn(header []string, line int) *Problem {
	for i, name := range header {
		if name == "" || !slices.Contains(columns, name) || slices.Contains(header[:i], name) {
			return &Problem{line, i + 1, "", fmt.Sprintf("%s is not a column here; the columns are %s, each once",
				rolebroker.Quote(name), strings.Join(columns, ", "))}
		}
	}
	return nil
}

// readRecord reads the role of one line.
func readRecord(header, record []string, line int) (role Role, wrong []Problem) {
	cells := map[string]string{}
	at := func(field, message string) {
		wrong = append(wrong, Problem{line, slices.Index(header, field) + 1, field, message})
	}
	for i, cell := range record {
		switch cell = strings.TrimSpace(cell); {
		case i < len(header):
			cells[header[i]] = cell
		case cell != "":
			return role, []Problem{{line, i + 1, "", fmt.Sprintf("there are only %d columns", len(header))}}
		}
	}
	role = Role{cells["name"], cells["arn"], cells["region"], cells["session_duration"]}
	if role == (Role{}) {
		return role, nil
	}
	arn, err := rolebroker.ParseRoleARN(role.ARN)
	if err != nil {
		at("arn", err.Error())
	}
	if role.Name != "" {
		if err := rolebroker.CheckName(role.Name); err != nil {
			at("name", withCure(err, rolebroker.NameLike(role.Name)))
		}
	}
	if role.Region != "" {
		if err := rolebroker.CheckRegion(rolebroker.Region(role.Region), arn.Partition); err != nil {
			at("region", err.Error())
		}
	}
	if d, err := rolebroker.ParseSessionDuration(role.SessionDuration); err != nil {
		at("session_duration", err.Error())
	} else if d != 0 && (d < rolebroker.MinSessionDuration || d > rolebroker.MaxSessionDuration) {
		at("session_duration", role.SessionDuration+" is out of range; AWS allows 15m to 12h")
	}
	return role, wrong
}

func withCure(err error, name string) string {
	if name == "" {
		return err.Error()
	}
	return err.Error() + ": write " + name
}
