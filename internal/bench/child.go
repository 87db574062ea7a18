package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/server"
)

// childVariable is set in the environment of the child processes of this command,
// which are the servers that it measures.
const childVariable = "ROLEBROKER_BENCH_CHILD"

func isChild() bool { return os.Getenv(childVariable) != "" }

// orders are sent to a child first, as JSON on its standard input.
type orders struct {
	Database string // serve rolebroker with this database, and a gateway
	Proxy    string // else: serve a httputil.ReverseProxy to this URL
	Answer   []byte // else: the body of a bare handler's responses
	Object   int64  // the size in bytes of a bare handler's response to GET, instead; 0: Answer
	Profile  string // a file for a CPU profile; empty: none
}

// greeting is the response of a child to its orders.
type greeting struct {
	URL      string
	Gateway  string // URL of rolebroker's gateway
	AdminKey string // of rolebroker
}

// usage is the response of a child to each further value, which says what to
// measure. A child ends when its standard input does, and therefore never outlives
// its parent.
type usage struct {
	CPU  time.Duration // used by the process so far
	Heap uint64        // in bytes, of what is reachable; measured for askHeap only
}

// The values that a child is sent.
const (
	askCPU  = "cpu"
	askHeap = "heap"
)

// measure measures what is asked for.
func measure(asked string) usage {
	if asked != askHeap {
		return usage{CPU: cpuTime()}
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return usage{Heap: m.HeapAlloc}
}

// child runs a server until in ends.
func child(in io.Reader, out io.Writer) error {
	read, write := json.NewDecoder(in), json.NewEncoder(out)
	var o orders
	if err := read.Decode(&o); err != nil {
		return fmt.Errorf("reading orders: %w", err)
	}
	hello, stop, err := o.serve()
	if err != nil {
		return err
	}
	defer stop()
	if o.Profile != "" {
		file, err := os.Create(o.Profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if err := write.Encode(hello); err != nil {
		return err
	}
	for asked := ""; read.Decode(&asked) == nil; { // until the end of in
		if err := write.Encode(measure(asked)); err != nil {
			return err
		}
	}
	return nil
}

func (o orders) serve() (greeting, func(), error) {
	switch {
	case o.Database != "":
		return serveRolebroker(o.Database)
	case o.Proxy != "":
		return serveProxy(o.Proxy)
	}
	return serveBare(o.Answer, o.Object)
}

// serveRolebroker runs a rolebroker server with the AWS identity of the
// environment.
func serveRolebroker(database string) (greeting, func(), error) {
	cfg := config.DefaultServer()
	cfg.Listen, cfg.GatewayListen, cfg.Database = "127.0.0.1:0", "127.0.0.1:0", config.NewDatabase(database)
	var key rolebroker.Secret
	running, err := server.Start(context.Background(), cfg, server.Options{
		Log:          cfg.Logger(io.Discard),
		Version:      "bench",
		AdminKeyMade: func(made rolebroker.Secret) { key = made },
	})
	if err != nil {
		return greeting{}, nil, err
	}
	stop := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := running.Close(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the server:", err)
		}
	}
	return greeting{URL: running.URL(), Gateway: running.GatewayURL(), AdminKey: key.Reveal()}, stop, nil
}

// serveBare serves the same bytes for every request, or an object of zeros for GET.
// It measures the cost of net/http alone.
func serveBare(body []byte, object int64) (greeting, func(), error) {
	return serveHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if object > 0 {
			io.Copy(io.Discard, r.Body)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if object > 0 && r.Method == http.MethodGet {
			w.Header().Set("Content-Length", strconv.FormatInt(object, 10))
			io.Copy(w, io.LimitReader(zeros{}, object))
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	}))
}

// serveProxy serves what another server answers.
func serveProxy(to string) (greeting, func(), error) {
	at, err := url.Parse(to)
	if err != nil {
		return greeting{}, nil, err
	}
	return serveHandler(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(at) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true}, // as many as the gateway
	})
}

func serveHandler(h http.Handler) (greeting, func(), error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return greeting{}, nil, err
	}
	bare := &http.Server{Handler: h}
	go bare.Serve(listener)
	return greeting{URL: "http://" + listener.Addr().String()}, func() { bare.Close() }, nil
}

// childProcess is a child, in its parent.
type childProcess struct {
	greeting
	cmd   *exec.Cmd
	stdin io.WriteCloser
	read  *json.Decoder
	write *json.Encoder
}

// startChild starts this program again as a server, with the same number of
// processors as this process has.
func startChild(o orders, env ...string) (*childProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = cleanEnv(append(env, childVariable+"=1", "GOMAXPROCS="+strconv.Itoa(runtime.GOMAXPROCS(0)))...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &childProcess{cmd: cmd, stdin: stdin, read: json.NewDecoder(stdout), write: json.NewEncoder(stdin)}
	if err := c.exchange(o, &c.greeting); err != nil {
		c.stop()
		return nil, fmt.Errorf("starting a server: %w", err)
	}
	return c, nil
}

func (c *childProcess) exchange(told, answer any) error {
	if err := c.write.Encode(told); err != nil {
		return err
	}
	return c.read.Decode(answer)
}

// cpu returns the CPU time that the child has used so far.
func (c *childProcess) cpu() (time.Duration, error) {
	var u usage
	err := c.exchange(askCPU, &u)
	return u.CPU, err
}

// heap returns the bytes that are reachable in the child.
func (c *childProcess) heap() (uint64, error) {
	var u usage
	err := c.exchange(askHeap, &u)
	return u.Heap, err
}

// stop ends the child and waits for it.
func (c *childProcess) stop() {
	c.stdin.Close()
	c.cmd.Wait()
}
