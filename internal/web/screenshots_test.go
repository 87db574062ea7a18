package web_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "a folder to put a picture of each page into")

// TestScreenshots makes a picture of every page, in light and dark, if it is
// told where to put them: make screenshots.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		return
	}
	if err := os.MkdirAll(*screenshots, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, world := range []struct {
		p      *person
		scenes []scene
	}{{somebody(t, empty(t)), signedOut}, {admin(t, empty(t)), emptyScenes}, {admin(t, furnished(t)), scenes}} {
		for _, s := range world.scenes {
			s.reach(world.p)
			world.p.takes(s.name)
		}
	}
}

// takes takes pictures of the page, as far down as it goes.
func (p *person) takes(name string) {
	p.Helper()
	for _, scheme := range []string{"light", "dark"} {
		p.turns(scheme, 1280)
		p.pictures(name + "-" + scheme)
	}
	p.turns("light", 360)
	p.pictures(name + "-narrow")
	p.turns("light", 1280)
}

// pictures makes the window as high as the page for a moment.
func (p *person) pictures(name string) {
	p.Helper()
	size := find[[]int64](p, "the size", "[innerWidth, Math.max(innerHeight, document.scrollingElement.scrollHeight)]")
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	p.does("making the window higher", chromedp.EmulateViewport(size[0], size[1]))
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	p.must("taking a picture", err)
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o666); err != nil {
		p.Fatal(err)
	}
}
