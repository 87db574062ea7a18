package action_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rolebroker/rolebroker/internal/action"
)

var update = flag.Bool("update", false, "write the files of what is missed anew")

// sent is a request as boto3 sends it, and what it is.
type sent struct {
	model, operation string
	request          action.Request
}

// corpus is what boto3 sends for every operation; generate/corpus.py makes it.
var corpus = sync.OnceValues(func() ([]sent, error) {
	f, err := os.Open("testdata/requests.txt.gz")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var all []sent
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s, err := parseSent(lines.Text())
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, lines.Err()
})

func parseSent(line string) (sent, error) {
	f := strings.Split(line, "\t")
	if len(f) != 8 {
		return sent{}, fmt.Errorf("the line has %d fields", len(f))
	}
	var headers map[string]string
	var body string
	if err := json.Unmarshal([]byte(f[6]), &headers); err != nil {
		return sent{}, err
	}
	if err := json.Unmarshal([]byte(f[7]), &body); err != nil {
		return sent{}, err
	}
	h := http.Header{}
	for name, value := range headers {
		h.Set(name, value)
	}
	path, query, _ := strings.Cut(f[5], "?")
	return sent{f[0], f[1], action.Request{Service: f[2], Region: "us-east-1", Account: "111122223333", Method: f[3],
		Host: f[4], Path: path, Query: query, Header: h, Body: []byte(body)}}, nil
}

// Of what boto3 sends for each operation of each service, the classifier names that operation. The exceptions are in
// testdata/missed.txt.
func TestEveryOperationOfBoto3(t *testing.T) {
	all, err := corpus()
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"host", "model"} {
		var missed []string
		signed := 0
		for _, s := range all {
			r := s.request
			if r.Service == "-" {
				continue // it is not signed: no gateway sees it
			}
			signed++
			if way == "model" {
				if bucket, ok := strings.CutPrefix(r.Host, "amzn-bucket."); ok && strings.HasPrefix(bucket, "s3.") {
					r.Path = "/amzn-bucket" + r.Path
				}
				r.Model, r.Host = s.model, ""
			}
			call, err := action.Classify(&r)
			if call.Service != s.model || call.Operation != s.operation {
				if call.Operation == s.operation && sameActions(t, s, call) {
					continue // two models of one service
				}
				missed = append(missed, fmt.Sprintf("%s: %s.%s is taken for %s.%s %s %v", way, s.model, s.operation, call.Service,
					call.Operation, call.Unknown, err))
			}
		}
		t.Logf("by %s: %d of %d signed requests (%.2f %%), %d not signed", way, signed-len(missed), signed,
			100-100*float64(len(missed))/float64(signed), len(all)-signed)
		golden(t, "testdata/missed-"+way+".txt", missed)
	}
}

func sameActions(t *testing.T, s sent, call action.Call) bool {
	r := s.request
	r.Model, r.Host = s.model, ""
	own, err := action.Classify(&r)
	return err == nil && own.Service == s.model && slices.Equal(own.Actions, call.Actions)
}

// golden compares lines with those of a file.
func golden(t *testing.T, file string, got []string) {
	t.Helper()
	text := strings.Join(got, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("%s differs; run with -update and look at the difference.\ngot:\n%.3000s", file, text)
	}
}
