package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestPatterns(t *testing.T) {
	for s, want := range map[string]string{"GitHub.com": "github.com", "*.github.com": "*.github.com", "pypi.org.": "pypi.org",
		"": "", "*": "", "com": "", "*.com": "", "a b.com": "", "https://pypi.org": "", "pypi.org:443": "", "1.2.3.4": "",
		"s3.amazonaws.com": "", "*.amazonaws.com": "", "sts.cn-north-1.amazonaws.com.cn": "", "x.us-east-1.api.aws": "",
		"*.*.github.com": "", "-x.github.com": "", "amazonaws.com": "", "notamazonaws.com": "notamazonaws.com"} {
		p, err := ParsePattern(s)
		if string(p) != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v", s, p, err)
		}
	}
	all := []Pattern{"github.com", "*.pypi.org"}
	for host, want := range map[string]bool{"github.com": true, "api.github.com": false, "files.pypi.org": true,
		"a.b.pypi.org": true, "pypi.org": false, "evilpypi.org": false, "github.com.evil.org": false} {
		if includes(all, host) != want {
			t.Errorf("%s is allowed: %v", host, !want)
		}
	}
}

func TestAddressesOfThisMachineAndItsNetworks(t *testing.T) {
	for address, want := range map[string]string{
		"140.82.121.4": "yes", "2606:50c0:8000::154": "yes", "::ffff:140.82.121.4": "yes", "64:ff9b::8c52:7904": "yes",
		"127.0.0.1": "private", "127.9.9.9": "private", "10.1.2.3": "private", "172.31.0.1": "private", "192.168.1.1": "private",
		"100.64.0.1": "private", "::1": "private", "fd12::1": "private", "::ffff:10.0.0.1": "private",
		"64:ff9b::a00:1": "private", "2002:a00:1::1": "private",
		"169.254.169.254": "no", "169.254.170.2": "no", "::ffff:169.254.169.254": "no", "fd00:ec2::254": "no", "fe80::1": "no",
		"0.0.0.0": "no", "::": "no", "100.100.100.200": "no", "168.63.129.16": "no", "224.0.0.1": "no", "255.255.255.255": "no",
		"64:ff9b::a9fe:a9fe": "no", "2002:a9fe:a9fe::1": "no", "::169.254.169.254": "no", "192.0.0.192": "no",
	} {
		ip := netip.MustParseAddr(address)
		if got, private := mayReach(ip, false), mayReach(ip, true); got != (want == "yes") || private != (want != "no") {
			t.Errorf("%s may be reached: %v, and as a private one: %v", address, got, private)
		}
	}
}

func ask(t *testing.T, name string, kind dnsmessage.Type) []byte {
	t.Helper()
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 7, RecursionDesired: true})
	if err := errors.Join(b.StartQuestions(), b.Question(dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: kind,
		Class: dnsmessage.ClassINET})); err != nil {
		t.Fatal(err)
	}
	text, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Every name is this machine, and none has a record that offers a client to hide the name (HTTPS, SVCB).
func TestEveryNameIsLoopback(t *testing.T) {
	for kind, want := range map[dnsmessage.Type]int{dnsmessage.TypeA: 1, dnsmessage.TypeAAAA: 0, dnsmessage.TypeHTTPS: 0,
		dnsmessage.TypeTXT: 0, dnsmessage.TypeMX: 0} {
		var m dnsmessage.Message
		if err := m.Unpack(answer(ask(t, "sts.amazonaws.com.", kind))); err != nil {
			t.Fatal(err)
		}
		if m.ID != 7 || !m.Response || m.RCode != dnsmessage.RCodeSuccess || len(m.Answers) != want || len(m.Questions) != 1 {
			t.Errorf("%s: %s", kind, m.GoString())
		}
		if want == 1 && m.Answers[0].Body.(*dnsmessage.AResource).A != [4]byte{127, 0, 0, 1} {
			t.Errorf("the answer is %s", m.GoString())
		}
	}
	for _, bad := range [][]byte{nil, {1}, make([]byte, 12), bytes.Repeat([]byte{0xff}, 40)} {
		if found := answer(bad); found != nil {
			t.Errorf("%x is answered by %x", bad, found)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, question []byte) {
		found := answer(question)
		var m dnsmessage.Message
		if found != nil && m.Unpack(found) != nil {
			t.Errorf("%x is answered by %x", question, found)
		}
	})
}

// world is an Egress with the listeners of a command, and a host outside.
type world struct {
	tls, plain, dns net.Listener
	log             *lines
	authority       *Authority
	dialed          []string
	mu              sync.Mutex
}

type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newWorld(t *testing.T, resolve map[string]string, o Options) *world {
	t.Helper()
	outside := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "outside "+r.Host)
	}))
	outside.StartTLS()
	t.Cleanup(outside.Close)
	w := &world{log: &lines{}}
	var err error
	if w.authority, err = NewAuthority(time.Now()); err != nil {
		t.Fatal(err)
	}
	o.Authority, o.Log = w.authority, slog.New(slog.NewTextHandler(w.log, nil))
	o.AWS = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "gateway "+r.Host)
	})}
	o.Resolve = func(_ context.Context, host string) (found []netip.Addr, _ error) {
		for s := range strings.FieldsSeq(resolve[host]) {
			found = append(found, netip.MustParseAddr(s))
		}
		if found == nil {
			return nil, errors.New("no such host")
		}
		return found, nil
	}
	o.Dial = func(_ context.Context, network, address string) (net.Conn, error) {
		w.mu.Lock()
		w.dialed = append(w.dialed, address)
		w.mu.Unlock()
		return net.Dial(network, outside.Listener.Addr().String())
	}
	e := New(o)
	for _, l := range []*net.Listener{&w.tls, &w.plain, &w.dns} {
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	go e.ServeTLS(w.tls)
	go e.ServePlain(w.plain)
	go e.ServeDNSOverTCP(w.dns)
	t.Cleanup(func() {
		w.tls.Close()
		w.plain.Close()
		w.dns.Close()
		e.Close()
	})
	return w
}

// get asks for a page of a host, whatever its certificate is.
func (w *world) get(url string, config *tls.Config) (string, error) {
	if config == nil {
		config = &tls.Config{InsecureSkipVerify: true}
	}
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: config,
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			to := w.tls
			if strings.HasSuffix(address, ":80") {
				to = w.plain
			}
			return (&net.Dialer{}).DialContext(ctx, network, to.Addr().String())
		}}}
	answer, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

func TestWhereConnectionsGo(t *testing.T) {
	w := newWorld(t, map[string]string{"allowed.example": "192.168.0.1 140.82.121.4", "both.allowed.example": "140.82.121.4",
		"inside.example": "10.0.0.7", "meta.example": "169.254.169.254", "secret.example": "10.0.0.8"},
		Options{Allowed: []Pattern{"allowed.example", "*.allowed.example", "secret.example", "meta.example", "gone.example",
			"inside.example"}, Private: []Pattern{"inside.example", "meta.example"}})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.authority.PEM)
	for _, c := range []struct{ url, want, log string }{
		{"https://sts.eu-west-1.amazonaws.com/", "gateway sts.eu-west-1.amazonaws.com", ""},
		{"https://B.s3.amazonaws.com/", "gateway B.s3.amazonaws.com", ""},
		{"https://444455556666.s3-control.cn-north-1.amazonaws.com.cn/", "gateway 444455556666.s3-control.cn-north-1.amazonaws.com.cn",
			""},
		{"https://allowed.example/", "outside allowed.example", ""},
		{"https://both.allowed.example/", "outside both.allowed.example", ""},
		{"https://inside.example/", "outside inside.example", ""},
		{"https://meta.example/", "", "its address 169.254.169.254 is one that no command may reach"},
		{"https://secret.example/", "", "--allow-private-host secret.example permits it"},
		{"https://gone.example/", "", "the host is not found"},
		{"https://other.example/", "", `hint="--allow-host other.example permits it"`},
		{"https://127.0.0.1/", "", "it names no host (SNI)"},
		{"http://allowed.example/", "rolebroker: nothing leaves a contained command without TLS\n", "it is HTTP without TLS"},
	} {
		t.Run(c.url, func(t *testing.T) {
			var config *tls.Config
			if strings.HasPrefix(c.want, "gateway") {
				config = &tls.Config{RootCAs: roots}
			}
			got, err := w.get(c.url, config)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("it gets %q, %v", got, err)
			}
			if c.want == "" && !strings.Contains(err.Error(), "access denied") {
				t.Errorf("the error of TLS is %v", err)
			}
			if log := w.log.String(); !strings.Contains(log, c.log) {
				t.Errorf("the log has\n%s", log)
			}
		})
	}
	for _, address := range w.dialed {
		if address != "140.82.121.4:443" && address != "10.0.0.7:443" {
			t.Errorf("it connected to %s", address)
		}
	}
	if len(w.dialed) != 3 {
		t.Errorf("it connected to %q", w.dialed)
	}
}

// misnamed writes a first message whose name of the host was replaced by one that no library sends.
type misnamed struct {
	net.Conn
	from, to string // of one length
}

func (m misnamed) Write(p []byte) (int, error) {
	return m.Conn.Write(bytes.Replace(p, []byte(m.from), []byte(m.to), 1))
}

// What a client says in TLS can be any text. A resolver takes some texts that end as an allowed name for addresses.
func TestTextsThatAreNoNames(t *testing.T) {
	for _, name := range []string{"::ffff:140.82.121.4%x.allowed.example", "2606:50c0:8000::154%x.allowed.example",
		"evil.test:443 x.allowed.example", "evil.test/.allowed.example", "x..allowed.example", "127.0.0.1",
		"evil.test\x00.allowed.example", "-x.allowed.example", "x%y.eu-west-1.amazonaws.com"} {
		w := newWorld(t, map[string]string{name: "140.82.121.4", "127.0.0.1": "127.0.0.1"},
			Options{Allowed: []Pattern{"*.allowed.example"}, Private: []Pattern{"*.allowed.example"}})
		conn, err := net.Dial("tcp", w.tls.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		stand := strings.Repeat("a", len(name))
		err = tls.Client(misnamed{conn, stand, name},
			&tls.Config{ServerName: stand, InsecureSkipVerify: true}).Handshake()
		conn.Close()
		w.mu.Lock()
		if err == nil || len(w.dialed) > 0 || !strings.Contains(w.log.String(), "it names no host (SNI)") {
			t.Errorf("%q gets %v, dialed %q, and the log has\n%s", name, err, w.dialed, w.log)
		}
		w.mu.Unlock()
	}
}

// A client that encrypts which host it wants is refused, also if the name outside is allowed.
func TestAHiddenNameIsRefused(t *testing.T) {
	w := newWorld(t, map[string]string{"allowed.example": "140.82.121.4"}, Options{Allowed: []Pattern{"allowed.example"}})
	_, err := w.get("https://allowed.example/", &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
		EncryptedClientHelloConfigList: echConfig("allowed.example")})
	if err == nil || len(w.dialed) > 0 || !strings.Contains(w.log.String(), "ECH") {
		t.Errorf("it gets %v, dialed %q, and the log has\n%s", err, w.dialed, w.log)
	}
}

// echConfig is a list of one configuration with an X25519 key that nobody has.
//
// Source: RFC 9849, 4.
func echConfig(public string) []byte {
	key := bytes.Repeat([]byte{9}, 32)
	config := append([]byte{1, 0, 32, 0, 32}, key...) // ID, KEM, key
	config = append(config, 0, 4, 0, 1, 0, 1)         // HKDF-SHA256, AES-128-GCM
	config = append(config, 32, byte(len(public)))
	config = append(append(config, public...), 0, 0)
	config = append(binary.BigEndian.AppendUint16([]byte{0xfe, 0x0d}, uint16(len(config))), config...)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(config))), config...)
}

func TestQuestionsOverTCP(t *testing.T) {
	w := newWorld(t, nil, Options{})
	c, err := net.Dial("tcp", w.dns.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		question := ask(t, "pypi.org.", dnsmessage.TypeA)
		c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(question))), question...))
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			t.Fatal(err)
		}
		found := make([]byte, binary.BigEndian.Uint16(size[:]))
		var m dnsmessage.Message
		if _, err := io.ReadFull(c, found); err != nil || m.Unpack(found) != nil || len(m.Answers) != 1 {
			t.Errorf("the answer is %x, %v", found, err)
		}
	}
}

func TestAnAuthorityKeepsFewCertificates(t *testing.T) {
	a, err := NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + ".s3.amazonaws.com"
	for i := range maxCertificates + 10 {
		c, err := a.Certificate(strings.Repeat("x", i%50+1) + string(rune('a'+i/50)) + "." + long)
		if err != nil || len(a.made) > maxCertificates {
			t.Fatalf("%v, %d are kept", err, len(a.made))
		}
		if i == 0 {
			leaf, err := x509.ParseCertificate(c.Certificate[0])
			if err != nil || leaf.VerifyHostname("xa."+long) != nil {
				t.Errorf("%v: the certificate is for %q", err, leaf.DNSNames)
			}
		}
	}
}
