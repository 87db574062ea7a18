package server_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/server"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestProbesAndMetrics(t *testing.T) {
	tb := testbed.New(t, nil)
	if _, err := tb.Client(tb.Scout).Credentials(t.Context(), "", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := tb.Client(tb.Scout).Credentials(t.Context(), "nothing", ""); err == nil {
		t.Fatal("an unknown role was lent")
	}
	for path, want := range map[string][]string{
		"/healthz": {`{"status":"ok"}`},
		"/readyz":  {`{"status":"ready"}`},
		"/metrics": {"rolebroker_loans_total 1", `rolebroker_refusals_total{code="not_found"} 1`,
			`rolebroker_sts_calls_total{outcome="ok"} 1`, "rolebroker_leases 1"},
	} {
		status, body := get(t, http.DefaultClient, tb.URL+path)
		for _, text := range want {
			if status != http.StatusOK || !strings.Contains(body, text) {
				t.Errorf("%s: %d, without %q:\n%s", path, status, text, body)
			}
		}
	}
}

// With an address of their own, the metrics are there and nowhere else, and nothing else is there.
func TestMetricsHaveAnAddressOfTheirOwn(t *testing.T) {
	cfg := config.DefaultServer()
	cfg.Listen, cfg.MetricsListen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Database = config.NewDatabase(filepath.Join(t.TempDir(), "rolebroker.db"))
	s, err := server.Start(t.Context(), cfg, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if status, body := get(t, http.DefaultClient, s.MetricsURL()); status != http.StatusOK ||
		!strings.Contains(body, "rolebroker_leases 0") {
		t.Errorf("%s answers %d: %s", s.MetricsURL(), status, body)
	}
	if status, body := get(t, http.DefaultClient, s.URL()+"/metrics"); status != http.StatusNotFound ||
		strings.Contains(body, "rolebroker_leases") {
		t.Errorf("the main address answers %d: %s", status, body)
	}
	for _, path := range []string{"/", "/healthz", "/v1/credentials", "/api/v1/agents", "/sign-in"} {
		if status, _ := get(t, http.DefaultClient, strings.TrimSuffix(s.MetricsURL(), "/metrics")+path); status !=
			http.StatusNotFound {
			t.Errorf("the address of the metrics answers %s with %d", path, status)
		}
	}
	foreign, err := http.NewRequest(http.MethodGet, s.MetricsURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign.Host = "evil.example"
	refusal, err := http.DefaultClient.Do(foreign)
	if err != nil {
		t.Fatal(err)
	}
	if refusal.Body.Close(); refusal.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("evil.example is answered with %s", refusal.Status)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(s.MetricsURL()); err == nil {
		t.Error("the metrics are there after the end of the server")
	}
}

func TestTheMetricsAddressThatIsInUseIsNamed(t *testing.T) {
	tb := testbed.New(t, nil)
	cfg := config.DefaultServer()
	cfg.Listen, cfg.MetricsListen = "127.0.0.1:0", strings.TrimPrefix(tb.URL, "http://")
	cfg.Database = config.NewDatabase(filepath.Join(t.TempDir(), "rolebroker.db"))
	_, err := server.Start(t.Context(), cfg, server.Options{})
	if err == nil || !strings.Contains(err.Error(), "listening on "+cfg.MetricsListen) ||
		!strings.Contains(rolebroker.AsError(err).Hint.String(), "--metrics-listen") {
		t.Errorf("the error is %v", err)
	}
}

// replicas are two servers on one PostgreSQL.
func replicas(t *testing.T, database string) (one, two *testbed.Testbed) {
	t.Helper()
	key := rolebroker.NewSecret("an admin key that both of them know")
	share := func(cfg *config.Server) { cfg.AdminKey = key }
	one = testbed.New(t, &testbed.Options{Database: database, Config: share})
	two = testbed.New(t, &testbed.Options{Database: database, Config: share, Empty: true})
	return one, two
}

func TestTakingAwayOnOneServerRefusesOnTheOther(t *testing.T) {
	one, two := replicas(t, storetest.Postgres(t))
	borrower := two.Client(one.Scout)
	refusedSoon := func(what string, code rolebroker.Code) {
		t.Helper()
		deadline := time.Now().Add(5 * time.Second)
		for {
			_, err := borrower.Credentials(t.Context(), "", "")
			if rolebroker.CodeOf(err) == code {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("5 s after %s the other server answers %v", what, err)
			}
		}
	}
	lent := func() {
		t.Helper()
		until(t, "the other server lends", func() bool {
			_, err := borrower.Credentials(t.Context(), "", "")
			return err == nil
		})
	}
	lent()
	if err := one.Admin.Disconnect(t.Context(), "scout", "production"); err != nil {
		t.Fatal(err)
	}
	refusedSoon("disconnecting", rolebroker.CodeDenied)
	if _, err := one.Admin.Connect(t.Context(), "scout", "production"); err != nil {
		t.Fatal(err)
	}
	lent()
	for _, access := range []rolebroker.Access{rolebroker.AccessReadOnly, rolebroker.AccessViewOnly,
		rolebroker.AccessFull} {
		if _, err := one.Admin.Limit(t.Context(), "scout", "production", api.LimitsRequest{Access: string(access)},
			""); err != nil {
			t.Fatal(err)
		}
		until(t, "the other server lends with access "+string(access), func() bool {
			loan, err := borrower.Credentials(t.Context(), "", "")
			return err == nil && loan.Access == access
		})
	}
	tokens, err := one.Admin.Tokens(t.Context(), "scout", client.List{})
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Admin.RevokeToken(t.Context(), "scout", tokens.Items[0].ID); err != nil {
		t.Fatal(err)
	}
	refusedSoon("revoking the token", rolebroker.CodeExpired)
}

func TestAServerThatCannotReachItsDatabaseIsNotReadyAndLendsNothing(t *testing.T) {
	postgres := storetest.NewServer(t)
	tb := testbed.New(t, &testbed.Options{Database: postgres.Database(t)})
	agent := tb.Client(tb.Scout)
	if _, err := agent.Credentials(t.Context(), "", ""); err != nil {
		t.Fatal(err)
	}
	postgres.Crash(t)
	until(t, "the server is not ready", func() bool {
		status, _ := get(t, http.DefaultClient, tb.URL+"/readyz")
		return status == http.StatusServiceUnavailable
	})
	if status, _ := get(t, http.DefaultClient, tb.URL+"/healthz"); status != http.StatusOK {
		t.Errorf("a server without its database is not healthy: %d", status)
	}
	until(t, "it refuses", func() bool {
		_, err := agent.Credentials(t.Context(), "", "")
		return rolebroker.CodeOf(err) == rolebroker.CodeUnavailable
	})
	postgres.Start(t)
	until(t, "it lends again", func() bool {
		_, err := agent.Credentials(t.Context(), "", "")
		return err == nil
	})
}

// until polls a condition.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestStoppingFinishesWhatIsUnderWay(t *testing.T) {
	tb := testbed.New(t, nil)
	tb.AWS.Inject(awssim.Slow(500 * time.Millisecond))
	answered := make(chan error, 1)
	go func() {
		_, err := tb.Client(tb.Scout).Credentials(context.Background(), "", "")
		answered <- err
	}()
	until(t, "STS is asked", func() bool { return tb.AWS.Calls("AssumeRole") == 1 })
	tb.Stop()
	if err := <-answered; err != nil {
		t.Errorf("a request that was under way got %v", err)
	}
	if _, err := tb.Client(tb.Scout).Credentials(t.Context(), "",
		""); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
		t.Errorf("a request after the end got %v", err)
	}
}

func TestAStrangerWhoNeverEndsDoesNotCostTheRecord(t *testing.T) {
	database := storetest.SQLite(t)
	tb := testbed.New(t, &testbed.Options{Database: database})
	agent := tb.Client(tb.Scout)
	for range 5 {
		if _, err := agent.Credentials(t.Context(), "", ""); err != nil {
			t.Fatal(err)
		}
	}
	stranger, err := net.Dial("tcp", strings.TrimPrefix(tb.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := io.WriteString(stranger,
		"PUT /api/v1/agents/scout HTTP/1.1\r\nHost: localhost\r\nAuthorization: "+tb.AdminKey.Reveal()+"\r\n"+
			"Content-Type: application/json\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stranger).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("%q, %v", line, err) // the server waits for the body now
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := tb.StopWithin(ctx); err == nil {
		t.Error("nobody was cut off; the stranger's request was not under way")
	}
	reopened, err := store.Open(t.Context(), store.Options{Database: database})
	if err != nil {
		t.Fatal(err)
	}
	defer reopened.Close()
	sessions, err := reopened.Sessions(t.Context(), rolebroker.SessionFilter{}, rolebroker.Page{Limit: 10})
	if err != nil || len(sessions) != 1 || sessions[0].Fetches != 5 {
		t.Errorf("the record is %+v, %v", sessions, err)
	}
}

// writeCertificate makes a self-signed certificate for 127.0.0.1.
func writeCertificate(t *testing.T, dir, name string) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der},
		keyFile: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return certFile, keyFile, pool
}

// serveHTTPS starts a server with a certificate of its own, and returns the pool that trusts it.
func serveHTTPS(t *testing.T) (*server.Server, *config.Server, *x509.CertPool) {
	t.Helper()
	cfg := config.DefaultServer()
	cfg.Listen = "127.0.0.1:0"
	cfg.Database = config.NewDatabase(filepath.Join(t.TempDir(), "rolebroker.db"))
	var pool *x509.CertPool
	cfg.TLSCert, cfg.TLSKey, pool = writeCertificate(t, t.TempDir(), "rolebroker.example.com")
	s, err := server.Start(t.Context(), cfg, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s, cfg, pool
}

func TestHTTPS(t *testing.T) {
	s, _, pool := serveHTTPS(t)
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	if status, _ := get(t, trusting, s.URL()+"/healthz"); !strings.HasPrefix(s.URL(), "https://") ||
		status != http.StatusOK {
		t.Errorf("%s answers %d", s.URL(), status)
	}
}

// A connection over TLS 1.2 has an AEAD cipher and forward secrecy, or is not made.
func TestTLSHasNoCBC(t *testing.T) {
	s, cfg, pool := serveHTTPS(t)
	runners, err := server.TLS(cfg.TLSCert, cfg.TLSKey) // what a runner serves with
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range runners.CipherSuites { // no certificate here is for RSA key exchange
		if name := tls.CipherSuiteName(id); !strings.HasPrefix(name, "TLS_ECDHE_") {
			t.Errorf("%s has no forward secrecy", name)
		}
	}
	runner, err := tls.Listen("tcp", "127.0.0.1:0", runners)
	if err != nil {
		t.Fatal(err)
	}
	defer runner.Close()
	go func() {
		for {
			c, err := runner.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake() // the client sees how it ends
		}
	}()
	cbc, old := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}, uint16(tls.VersionTLS12)
	for name, address := range map[string]string{"server": strings.TrimPrefix(s.URL(), "https://"),
		"runner": runner.Addr().String()} {
		for offer, c := range map[string]struct {
			config *tls.Config
			want   uint16 // the version; 0: no connection
		}{
			"only CBC":  {&tls.Config{MaxVersion: old, CipherSuites: cbc}, 0},
			"TLS 1.1":   {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, 0},
			"AEAD":      {&tls.Config{MaxVersion: old}, old},
			"ChaCha":    {&tls.Config{MaxVersion: old, CipherSuites: []uint16{chacha}}, old},
			"all of it": {&tls.Config{}, tls.VersionTLS13},
		} {
			c.config.RootCAs = pool
			conn, err := tls.Dial("tcp", address, c.config)
			got := uint16(0)
			if err == nil {
				got = conn.ConnectionState().Version
				conn.Close()
			}
			if got != c.want {
				t.Errorf("the %s answers an offer of %s with version %x: %v", name, offer, got, err)
			}
		}
	}
}

const chacha = tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256

func TestASecondServerOnTheSamePortSaysSo(t *testing.T) {
	tb := testbed.New(t, nil)
	cfg := config.DefaultServer()
	cfg.Listen = strings.TrimPrefix(tb.URL, "http://")
	cfg.Database = config.NewDatabase(filepath.Join(t.TempDir(), "rolebroker.db"))
	if _, err := server.Start(t.Context(), cfg, server.Options{}); err == nil ||
		!strings.Contains(err.Error(), "listening on "+cfg.Listen) {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(cfg.Database.Reveal()); err == nil {
		t.Error("a server that cannot listen made a database")
	}
}
