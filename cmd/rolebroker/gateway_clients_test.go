package main

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// s3Clients do with S3 what agents do, and end with done. They run in bash, below rolebroker exec.
var s3Clients = []struct{ name, needs, commands string }{
	{"boto3", "", `python3 PROGRAMS/s3_boto3.py`},
	{"Go 2", "", `agent_go go2`},
	{"Go 1, told the endpoint", "", `agent_go go1`},
	{"JavaScript 3", "", `node PROGRAMS/s3_js3.mjs`},
	{"JavaScript 2, told the endpoint", "", `node PROGRAMS/s3_js2.cjs`},
	{"minio-go", "", `
		eval "$(rolebroker credentials --format env)"
		MINIO_HOST=${AWS_ENDPOINT_URL#https://} agent_go minio https
		# Without TLS, it signs the chunks of a body.
		MINIO_HOST=${GATEWAY#http://} agent_go minio http`},
	{"AWS CLI 1", "aws-1", awsCLI("aws-1")},
	{"AWS CLI 2", "aws-2", awsCLI("aws-2")},
	{"rclone", "rclone", `
		export RCLONE_S3_ENDPOINT=$AWS_ENDPOINT_URL RCLONE_S3_PROVIDER=Other RCLONE_S3_ENV_AUTH=true RCLONE_S3_REGION=$AWS_REGION
		export RCLONE_S3_NO_CHECK_BUCKET=true RCLONE_S3_CHUNK_SIZE=5M RCLONE_S3_UPLOAD_CUTOFF=5M RCLONE_CA_CERT=$AWS_CA_BUNDLE
		unset AWS_CA_BUNDLE AWS_CONFIG_FILE # old versions of rclone end with an error because of the authorities
		mkdir -p "tree/a dir"
		head -c 12000000 /dev/urandom >"tree/large +"
		echo text >"tree/a dir/ü%"
		: >tree/empty
		rclone copy tree :s3:bucket/rclone
		rclone check --download tree :s3:bucket/rclone
		rclone cat ":s3:bucket/rclone/large +" | rclone rcat :s3:bucket/rclone/piped
		rclone cat :s3:bucket/rclone/piped | cmp - "tree/large +"
		rclone moveto :s3:bucket/rclone/empty :s3:bucket/rclone/moved
		rclone sync :s3:bucket/rclone back
		cmp back/piped "tree/large +"
		test -f back/moved -a ! -f back/empty
		rclone purge :s3:bucket/rclone
		test -z "$(rclone lsf :s3:bucket/rclone)"
		echo done`},
	{"restic", "restic", `
		export RESTIC_REPOSITORY=s3:$AWS_ENDPOINT_URL/bucket/restic RESTIC_CACHE_DIR=$PWD/cache
		restic() { command restic --cacert "$AWS_CA_BUNDLE" --quiet "$@"; }
		mkdir -p files
		head -c 9000000 /dev/urandom >files/random
		restic init
		restic backup files
		restic check --read-data
		restic restore latest --target restored
		cmp files/random "$(find restored -name random)"
		restic forget --keep-last 1 --prune
		echo done`},
	{"Terraform", "terraform", `
		mkdir state && cd state
		cat >main.tf <<-'END'
			terraform {
			  backend "s3" {
			    bucket         = "bucket"
			    key            = "a state"
			    region         = "eu-west-1"
			    use_path_style = true
			    use_lockfile   = true
			    skip_requesting_account_id = true
			  }
			}
			resource "terraform_data" "one" { input = "some state" }
		END
		terraform init -input=false
		terraform apply -auto-approve -input=false
		grep -q 'some state' "$BUCKETS/bucket/a state"
		terraform plan -detailed-exitcode
		lock() { python3 -c "import boto3; boto3.client('s3').$1_object(Bucket='bucket', Key='a state.tflock'$2)"; }
		lock put ", Body='{\"ID\":\"of somebody else\"}'"
		! terraform apply -auto-approve -input=false >locked.txt 2>&1
		grep -q 'Error acquiring the state lock' locked.txt || { cat locked.txt; exit 1; }
		lock delete ""
		terraform destroy -auto-approve
		echo done`},
}

// awsCLI is what an agent does with S3 by an AWS CLI.
func awsCLI(aws string) string {
	return strings.ReplaceAll(`
		mkdir -p "tree/a dir"
		head -c 20000000 /dev/urandom >"tree/large +"
		echo text >"tree/a dir/ü%"
		: >tree/empty
		CLI s3 sync --quiet tree s3://bucket/cli
		CLI s3 ls --recursive s3://bucket/cli/ | grep -F 'a dir/ü%'
		CLI s3 cp --quiet "s3://bucket/cli/large +" - | cmp - "tree/large +"
		cat "tree/large +" | CLI s3 cp --quiet - s3://bucket/cli/piped
		CLI s3 mv --quiet s3://bucket/cli/piped "s3://other/moved ü"
		CLI s3 cp --quiet "s3://other/moved ü" back
		cmp back "tree/large +"
		CLI s3api get-object --bucket bucket --key "cli/a dir/ü%" --range bytes=1-2 part >answer.json
		test "$(cat part)" = ex
		CLI s3api put-object --bucket bucket --key sum --body tree/empty --checksum-algorithm SHA256 | grep -F ChecksumSHA256
		curl -fsS --cacert "$AWS_CA_BUNDLE" "$(CLI s3 presign "s3://bucket/cli/a dir/ü%" --region "$AWS_REGION")" | grep -x text
		CLI s3 rm --quiet --recursive s3://bucket/cli
		! CLI s3 ls s3://bucket/cli/
		echo done`, "CLI", aws)
}

// TestClientsUseS3ThroughTheGateway has each client work with an S3 that verifies every signature, in its own form.
func TestClientsUseS3ThroughTheGateway(t *testing.T) {
	t.Parallel()
	w := newUpstreams(t, "s3")
	w.buildAgent()
	for _, c := range s3Clients {
		t.Run(c.name, func(t *testing.T) {
			if c.needs != "" {
				w.here.requireIn(t, w.here.bin, c.needs)
			}
			w := w.with(t)
			w.isDone(strings.ReplaceAll(c.commands, "PROGRAMS", abs(t, emulators)))
		})
	}
}

// withoutEndpoint are what clients need that send to the hosts of AWS. minio-go has to be told one.
var withoutEndpoint = map[string]string{
	"minio-go": `
		eval "$(rolebroker credentials --format env)"
		MINIO_HOST=s3.eu-west-1.amazonaws.com agent_go minio https`,
	"rclone": "export AWS_ENDPOINT_URL=https://s3.eu-west-1.amazonaws.com",
	"restic": "export AWS_ENDPOINT_URL=https://s3.eu-west-1.amazonaws.com",
}

// useS3OfAWS has the clients work with the same S3 by the hosts of AWS, but for those whose name begins with except.
func (w *upstreams) useS3OfAWS(except string) {
	w.buildAgent()
	for _, c := range s3Clients {
		if except != "" && strings.HasPrefix(c.name, except) {
			continue
		}
		w.t.Run(c.name, func(t *testing.T) {
			if c.needs != "" {
				w.here.requireIn(t, w.here.bin, c.needs)
			}
			w := w.with(t)
			commands := withoutEndpoint[c.name]
			if c.name != "minio-go" {
				commands += "\n" + strings.ReplaceAll(c.commands, "PROGRAMS", abs(t, emulators))
			}
			w.isDone(commands)
		})
	}
}

// TestClientsUseS3ThroughTheProxy leaves out the SDKs for JavaScript, which use no proxy.
func TestClientsUseS3ThroughTheProxy(t *testing.T) {
	t.Parallel()
	w := newUpstreams(t, "s3")
	w.flags = []string{"--proxy"}
	w.useS3OfAWS("JavaScript")
}

// TestClientsUseS3Contained has every client: none can get elsewhere.
func TestClientsUseS3Contained(t *testing.T) {
	t.Parallel()
	needs(t, canContain)
	w := newUpstreams(t, "s3")
	w.flags = contained("--allow-path", abs(t, emulators), "--allow-path", w.buckets)[1:]
	w.useS3OfAWS("")
}

// TestDynamoDBAndSQSThroughTheProxy has the clients that use a proxy do the same without an endpoint. The AWS CLI 1
// uses a host of its own for SQS in us-east-1.
func TestDynamoDBAndSQSThroughTheProxy(t *testing.T) {
	t.Parallel()
	w := newUpstreams(t, "dynamodb", "sqs-json")
	w.flags = []string{"--proxy"}
	w.buildAgent()
	w.eachDone("dynamodb", "boto3", "go1", "go2")
	w.eachDone("sqs", "boto3 json", "go1", "go2")
	w.isDone(`aws sqs list-queues --region us-east-1
		echo done`)
}

// TestTimestreamStaysAtTheGateway has an SDK that asks Timestream for its host, and gets one of AWS's cells.
func TestTimestreamStaysAtTheGateway(t *testing.T) {
	t.Parallel()
	w := newUpstreams(t, "timestream")
	const uses = `python3 -c 'import boto3
print(boto3.client("timestream-write").list_databases()["Databases"][0]["DatabaseName"])
print(boto3.client("timestream-query").list_scheduled_queries()["ScheduledQueries"][0]["Name"])'
		aws timestream-write list-databases | grep -F metrics
		echo done`
	w.isDone(uses)
	w.flags = []string{"--proxy"}
	w.isDone(uses)
}

// TestCopiesFromAnotherRegion has an SDK that puts a request for the region of the source into that for the copy.
func TestCopiesFromAnotherRegion(t *testing.T) {
	t.Parallel()
	w := newUpstreams(t, "copies")
	const uses = `python3 -c 'import boto3
print(boto3.client("ec2").copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId="snap-1")["SnapshotId"])
print(boto3.client("rds").copy_db_snapshot(SourceRegion="us-east-1", TargetDBSnapshotIdentifier="copy",
    SourceDBSnapshotIdentifier="arn:aws:rds:us-east-1:444455556666:snapshot:a")["DBSnapshot"]["DBSnapshotIdentifier"])'
		echo done`
	for _, flags := range [][]string{nil, {"--proxy"}} {
		w.flags = flags
		const want = "ASIA us-east-1/ec2/aws4_request\nASIA us-east-1/rds/aws4_request\ndone\n"
		if out := w.works(uses); out != want {
			t.Errorf("with %q it prints\n%s", flags, out)
		}
	}
}

// program is the path of a program in testdata/upstreams.
func (w *upstreams) program(name string) string { return filepath.Join(abs(w.t, emulators), name) }

// with is the same world for a part of the test, with a folder of its own.
func (w *upstreams) with(t *testing.T) *upstreams {
	part := *w
	part.t, part.dir = t, t.TempDir()
	part.env = append(part.env, "HOME="+part.dir)
	return &part
}

func (w *upstreams) isDone(commands string, env ...string) {
	w.t.Helper()
	if out := w.works(commands, env...); !strings.HasSuffix(out, "done\n") {
		w.t.Errorf("it prints\n%s", out)
	}
}

// requireIn skips the test if a program is neither in a folder nor on PATH.
func (t *tools) requireIn(test *testing.T, dir, program string) {
	test.Helper()
	_, err := os.Stat(filepath.Join(dir, program))
	if err != nil {
		_, err = exec.LookPath(program)
	}
	ok, fatal := tested(test, err, "%s is missing", program)
	if program == "aws-2" && !ok {
		test.Skip("NOT TESTED: the AWS CLI of this Debian is version 1")
	}
	if fatal != nil {
		test.Fatal(fatal)
	}
	if !ok {
		test.SkipNow()
	}
}

// TestALargeObjectPassesThroughTheGateway sends an object up and down as one request each, and compares. The server, which
// is in this process, must not keep it. ROLEBROKER_TEST_OBJECT_MIB is its size; 5120 is the most that S3 takes.
func TestALargeObjectPassesThroughTheGateway(t *testing.T) {
	w := newUpstreams(t, "s3")
	w.buildAgent()
	w.works("agent_go large 1") // what stays once
	size := cmp.Or(os.Getenv("ROLEBROKER_TEST_OBJECT_MIB"), "256")
	most, stop := peakHeap()
	began := time.Now()
	w.isDone("agent_go large " + size)
	took := time.Since(began)
	before, peak := most, stop()
	t.Logf("%s MiB up and down took %s; the heap had %d MiB before and %d MiB at most", size, took, before>>20, peak>>20)
	if peak > before+64<<20 {
		t.Errorf("the heap grew from %d MiB to %d MiB", before>>20, peak>>20)
	}
}

// peakHeap returns how much memory is in use, and a function that returns how much was at most since.
func peakHeap() (now uint64, stop func() uint64) {
	read := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	runtime.GC()
	now = read()
	peak, done, ended := now, make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-tick.C:
				peak = max(peak, read())
			case <-done:
				tick.Stop()
				return
			}
		}
	}()
	return now, func() uint64 { close(done); <-ended; return peak }
}

// TestDynamoDBThroughTheGateway has an agent use tables.
func TestDynamoDBThroughTheGateway(t *testing.T) {
	t.Parallel()
	w := newUpstreams(t, "dynamodb")
	w.buildAgent()
	w.eachDone("dynamodb", "boto3", "go1", "go2", "js2", "js3")
	w.isDone(`aws dynamodb get-item --table-name jobs --key '{"id": {"S": "ü"}}' | grep -F '"b+c"'
		echo done`)
}

// TestSQSThroughTheGateway has an agent send and receive, in both protocols.
func TestSQSThroughTheGateway(t *testing.T) {
	t.Parallel()
	w := newUpstreams(t, "sqs-json")
	w.buildAgent()
	w.eachDone("sqs", "boto3 json", "go1", "go2", "js2", "js3")
	t.Run("query", func(t *testing.T) { newUpstreams(t, "sqs").eachDone("sqs", "boto3 query") })
}

// buildAgent builds the agent that is written in Go.
func (w *upstreams) buildAgent() {
	w.t.Helper()
	if err := w.here.build(w.program("agent_go"), "agent_go"); err != nil {
		w.t.Fatal(err)
	}
}

// eachDone has each client do what agents do with a service.
func (w *upstreams) eachDone(service string, clients ...string) {
	for _, client := range clients {
		w.t.Run(client, func(t *testing.T) {
			name, args, _ := strings.Cut(client, " ")
			program := w.program(service + "_" + name)
			w.with(t).isDone(map[string]string{
				"boto3": "python3 " + program + ".py " + args,
				"go1":   "agent_go " + service + "-go1",
				"go2":   "agent_go " + service + "-go2",
				"js2":   "node " + program + ".cjs",
				"js3":   "node " + program + ".mjs",
			}[name])
		})
	}
}

// TestAStrictS3TakesURLsOfTheServer has an S3 that is not ours verify what the server signs, for names that need
// escaping.
func TestAStrictS3TakesURLsOfTheServer(t *testing.T) {
	w := newUpstreams(t, "s3")
	for _, key := range []string{"plain", "a dir/k+1 ü", "star*!'()", "=eq@:,;$&", "q?a=b#c", "100%2F~x"} {
		w.works(`
			refused() { if "$@"; then echo "works: $*"; exit 1; fi; }
			printf 'sold 3' >body
			curl -gfsS -T body "$(rolebroker presign "s3://bucket/$KEY" --method PUT --expires-in 60)"
			[ "$(curl -gfsS "$(rolebroker presign "s3://bucket/$KEY")")" = 'sold 3' ]
			refused curl -gfsS "$(rolebroker presign "s3://bucket/$KEY" | sed 's/bucket/other/')"
			refused curl -gfsS -T body "$(rolebroker presign "s3://bucket/$KEY")"
			curl -gfsS -X DELETE "$(rolebroker presign "s3://bucket/$KEY" --method DELETE)"
			refused curl -gfsS "$(rolebroker presign "s3://bucket/$KEY")"`, "KEY="+key)
	}
}
