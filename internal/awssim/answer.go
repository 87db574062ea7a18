package awssim

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// node is an XML element of a response: it has text or child elements.
type node struct {
	name string
	text string
	kids []node
	leaf bool
}

func leaf(name, text string) node { return node{name: name, text: text, leaf: true} }

func number(name string, n int) node { return leaf(name, strconv.Itoa(n)) }

func boolean(name string, b bool) node { return leaf(name, strconv.FormatBool(b)) }

func instant(name string, t time.Time) node {
	return leaf(name, t.UTC().Format("2006-01-02T15:04:05Z"))
}

func group(name string, kids ...node) node { return node{name: name, kids: kids} }

// optional returns an element, or none if the text is empty.
func optional(name, text string) []node {
	if text == "" {
		return nil
	}
	return []node{leaf(name, text)}
}

// members returns a list in the form of the Query protocol.
func members(name string, items ...[]node) node {
	n := node{name: name}
	for _, item := range items {
		n.kids = append(n.kids, node{name: "member", kids: item})
	}
	return n
}

func textMembers(name string, items ...string) node {
	n := node{name: name}
	for _, item := range items {
		n.kids = append(n.kids, leaf("member", item))
	}
	return n
}

// write indents by two spaces and ends every line, as STS does.
func (n node) write(b *strings.Builder, indent, attr string) {
	b.WriteString(indent + "<" + n.name + attr)
	switch {
	case n.leaf:
		b.WriteByte('>')
		_ = xml.EscapeText(b, []byte(n.text))
		b.WriteString("</" + n.name + ">\n")
	case len(n.kids) == 0:
		b.WriteString("/>\n")
	default:
		b.WriteString(">\n")
		for _, kid := range n.kids {
			kid.write(b, indent+"  ", "")
		}
		b.WriteString(indent + "</" + n.name + ">\n")
	}
}

// dialect is how a service of the Query protocol writes results and errors.
type dialect interface {
	writeAnswer(w http.ResponseWriter, id string, op *operation, result []node)
	writeError(w http.ResponseWriter, id, namespace string, err error)
}

// queryXML is the dialect of STS and IAM.
type queryXML struct{}

func (queryXML) writeAnswer(w http.ResponseWriter, id string, op *operation, result []node) {
	var kids []node
	if !op.bare {
		kids = append(kids, group(op.action+"Result", result...))
	}
	kids = append(kids, group("ResponseMetadata", leaf("RequestId", id)))
	writeXML(w, http.StatusOK, op.namespace, group(op.action+"Response", kids...))
}

// asError returns the error to answer with. One that is not an [*Error] is a fault of the
// simulator.
func asError(err error) *Error {
	if e, ok := err.(*Error); ok {
		return e
	}
	return refuse(http.StatusInternalServerError, "InternalFailure",
		"The request processing has failed because of an unknown error, exception or failure.")
}

func (queryXML) writeError(w http.ResponseWriter, id, namespace string, err error) {
	e := asError(err)
	kind := "Sender"
	if e.Status >= 500 {
		kind = "Receiver"
	}
	writeXML(w, e.Status, namespace, group("ErrorResponse",
		group("Error", leaf("Type", kind), leaf("Code", e.Code), leaf("Message", e.Message)),
		leaf("RequestId", id),
	))
}

// writeXML writes a document. An empty namespace is none.
func writeXML(w http.ResponseWriter, status int, namespace string, root node) {
	var b strings.Builder
	attr := ""
	if namespace != "" {
		attr = ` xmlns="` + namespace + `"`
	}
	root.write(&b, "", attr)
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String()))
}
