package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"
	"io"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/containercreds"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/server"
)

type discardWriter struct{ h http.Header }

func (d *discardWriter) Header() http.Header         { return d.h }
func (d *discardWriter) WriteHeader(int)             {}
func (d *discardWriter) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkHandler(b *testing.B) {
	ctx := context.Background()
	aws, err := newCloud()
	if err != nil {
		b.Fatal(err)
	}
	db := b.TempDir() + "/x.db"
	cfg := config.DefaultServer()
	cfg.Listen, cfg.Database = "127.0.0.1:0", config.NewDatabase(db)
	var key rolebroker.Secret
	opts := sts.Options{Endpoint: aws.listening.URL, Credentials: credentials.NewStaticCredentialsProvider(aws.operator.AccessKeyID, aws.operator.SecretAccessKey, "")}
	s, err := server.Start(ctx, cfg, server.Options{STS: opts, AdminKeyMade: func(k rolebroker.Secret) { key = k }})
	if err != nil {
		b.Fatal(err)
	}
	var admin *client.Client
	if admin, err = arrange(ctx, s.URL(), key.Reveal()); err != nil {
		b.Fatal(err)
	}
	token, err := newAgent(ctx, admin, "a")
	if err != nil {
		b.Fatal(err)
	}
	s.Close(ctx)
	st, err := store.Open(ctx, store.Options{Database: db, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	br := broker.New(broker.Options{Store: st, Assumer: sts.New(opts), Metrics: prometheus.NewRegistry()})
	a := &auth.Authenticator{Records: br, Now: time.Now}
	h := containercreds.New(containercreds.Options{Lender: br, Identify: a.Agent})
	r := httptest.NewRequest("GET", "/v1/credentials", nil)
	r.Header.Set("Authorization", token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 200 {
		b.Fatal(w.Body.String())
	}
	body := w.Body.Bytes()
	os.Remove("x")
	d := &discardWriter{h: http.Header{}}
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			clear(d.h)
			h.ServeHTTP(d, r)
		}
	})
	b.Run("auth", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			a.Agent(ctx, token)
		}
	})
	who, _ := a.Agent(ctx, token)
	b.Run("lend", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			br.Lend(ctx, who, rolebroker.Request{})
		}
	})
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			clear(d.h)
			w := d
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.Write(body)
		}
	})
}
