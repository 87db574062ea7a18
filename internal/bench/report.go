package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
)

// figure is one line of the table.
type figure struct {
	Row       int       `json:"row"`
	What      string    `json:"what"`
	Measured  *quantity `json:"measured"` // null: not measurable on this system
	Reference *quantity `json:"reference,omitempty"`
	Ratio     float64   `json:"ratio,omitempty"`  // of measured to reference; 0: none
	Target    string    `json:"target,omitempty"` // empty: for context only
	Verdict   verdict   `json:"verdict,omitempty"`
}

// quantity is a value, and for a reference its name.
type quantity struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
	Of    string  `json:"of,omitempty"`
}

// verdict says whether a target was met.
type verdict string

const (
	ok     verdict = "ok"
	missed verdict = "MISSED"
)

// paired compares turns of the program with turns of a reference: the medians of
// both, and the median of the ratios of turns.
func paired(what, unit string, measured []float64, of string, reference []float64) figure {
	ratios := make([]float64, len(measured))
	for i := range measured {
		ratios[i] = measured[i] / reference[i]
	}
	return figure{
		What:      what,
		Measured:  &quantity{Value: median(measured), Unit: unit},
		Reference: &quantity{Value: median(reference), Unit: unit, Of: of},
		Ratio:     median(ratios),
	}
}

// single is a value without a reference.
func single(what string, value float64, unit string) figure {
	return figure{What: what, Measured: &quantity{Value: value, Unit: unit}}
}

// notHere is a figure that this system cannot measure.
func notHere(what, target string) figure { return figure{What: what, Target: target} }

// against adds a reference, and the ratio to it unless one of them is zero.
func (f figure) against(value float64, of string) figure {
	f.Reference = &quantity{Value: value, Unit: f.Measured.Unit, Of: of}
	if value != 0 {
		f.Ratio = f.Measured.Value / value
	}
	return f
}

// target sets the target and whether it was met.
func (f figure) target(words string, met bool) figure {
	f.Target, f.Verdict = words, missed
	if met {
		f.Verdict = ok
	}
	return f
}

// atLeast and atMost are targets for the ratio.
func (f figure) atLeast(ratio float64) figure {
	return f.target(fmt.Sprintf("≥ %g ×", ratio), f.Ratio >= ratio)
}

func (f figure) atMost(ratio float64) figure {
	return f.target(fmt.Sprintf("≤ %g ×", ratio), f.Ratio <= ratio)
}

// noMoreThan is a target for the value itself.
func (f figure) noMoreThan(value float64) figure {
	words := strings.TrimSpace(fmt.Sprintf("≤ %g %s", value, f.Measured.Unit))
	if value == 0 {
		words = "none"
	}
	return f.target(words, f.Measured.Value <= value)
}

// report is the result of a run.
type report struct {
	Go      string   `json:"go"`
	System  string   `json:"system"`
	CPUs    int      `json:"cpus"`
	Figures []figure `json:"figures"`
}

func newReport() *report {
	return &report{Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.GOMAXPROCS(0),
		Figures: []figure{}}
}

func (r *report) add(of row, figures []figure) {
	for _, f := range figures {
		f.Row = of.number
		r.Figures = append(r.Figures, f)
	}
}

func (r *report) missed() bool {
	for _, f := range r.Figures {
		if f.Verdict == missed {
			return true
		}
	}
	return false
}

func (r *report) write(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.table(w)
}

func (r *report) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "#\twhat\tmeasured\treference\tratio\ttarget\t\n")
	last := 0
	for _, f := range r.Figures {
		number := ""
		if f.Row != last {
			number, last = strconv.Itoa(f.Row), f.Row
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", number, f.What, f.measured(), f.reference(), f.ratio(), f.Target,
			f.Verdict)
	}
	fmt.Fprintf(t, "%s, %s, %d CPUs\n", r.System, r.Go, r.CPUs)
	return t.Flush()
}

func (f figure) measured() string {
	if f.Measured == nil {
		return "not measured here"
	}
	return f.Measured.String()
}

func (f figure) reference() string {
	if f.Reference == nil {
		return ""
	}
	return f.Reference.String() + " " + f.Reference.Of
}

func (f figure) ratio() string {
	if f.Ratio == 0 {
		return ""
	}
	return strconv.FormatFloat(f.Ratio, 'f', 2, 64)
}

func (q quantity) String() string { return strings.TrimSpace(number(q.Value) + " " + q.Unit) }

// number formats a value with about three digits, and commas between thousands.
func number(v float64) string {
	switch size := math.Abs(v); {
	case v == math.Trunc(v) || size >= 1000:
		return thousands(int64(math.Round(v)))
	case size >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func thousands(v int64) string {
	digits := strconv.FormatInt(v, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
