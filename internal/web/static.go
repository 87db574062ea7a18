package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed static
var staticFiles embed.FS

// file is one that pages load.
type file struct {
	content []byte
	zipped  []byte
	kind    string // its media type
	address string // has the hash of the content in it, so that it can be kept for ever
}

// files are read, and compressed, when the first of them is asked for.
var files = sync.OnceValue(func() map[string]*file {
	found := map[string]*file{}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		panic(err) // it is in this program
	}
	for _, entry := range entries {
		content, err := staticFiles.ReadFile("static/" + entry.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		found[entry.Name()] = &file{content: content, zipped: zip(content), kind: mime.TypeByExtension(path.Ext(entry.Name())),
			address: "/static/" + entry.Name() + "?v=" + hex.EncodeToString(sum[:6])}
	}
	return found
})

func zip(content []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	w.Write(content) // to memory
	w.Close()
	return b.Bytes()
}

// static is the address of a file, for templates.
func static(name string) string { return files()[name].address }

func serveStatic(w http.ResponseWriter, r *http.Request) {
	f := files()[r.PathValue("file")]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	if r.URL.RequestURI() == f.address { // by another address it may be another version's
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body := f.content
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	w.Write(body) // the client may be gone
}
