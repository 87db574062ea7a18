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

// file is a file that pages load.
type file struct {
	content []byte
	zipped  []byte
	kind    string // the media type
	address string // contains the hash of the content, so that browsers can cache it forever
}

// files are read and compressed for the first request.
var files = sync.OnceValue(func() map[string]*file {
	found := map[string]*file{}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		panic(err) // the files are in this program
	}
	for _, entry := range entries {
		content, err := staticFiles.ReadFile("static/" + entry.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		found[entry.Name()] = &file{
			content: content,
			zipped:  zip(content),
			kind:    mime.TypeByExtension(path.Ext(entry.Name())),
			address: "/static/" + entry.Name() + "?v=" + hex.EncodeToString(sum[:6]),
		}
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
	if r.URL.RequestURI() == f.address { // another address may be of another version
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body := f.content
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	w.Write(body) // the client may be gone
}
