package web_test

import (
	"bytes"
	"context"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

var (
	screenshots = flag.String("screenshots", "", "a folder to put a picture of each page into")
	someScenes  = flag.String("scenes", "", "a regular expression: only scenes whose names match it")
)

// chosen are the scenes that the flag chooses.
func chosen(all []scene) []scene {
	matches := regexp.MustCompile(*someScenes).MatchString
	return slices.DeleteFunc(slices.Clone(all), func(s scene) bool { return !matches(s.name) })
}

// TestScreenshots takes pictures of all pages, light and dark, into the folder of
// the flag: make screenshots.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		return
	}
	if err := os.MkdirAll(*screenshots, 0o777); err != nil {
		t.Fatal(err)
	}
	in := newInbox(t)
	employee, dex := inCompany(t)
	for _, world := range []struct {
		p      *person
		scenes []scene
	}{{somebody(t, empty(t)), signedOut}, {admin(t, empty(t)), emptyScenes}, {admin(t, furnished(t)), scenes},
		{in.visitor(in.dana), in.scenes()}, {employee, companyScenes(dex)}} {
		for _, s := range chosen(world.scenes) {
			s.reach(world.p)
			world.p.takes(s.name)
		}
	}
}

// maybeTakes takes pictures if somebody wants them.
func (p *person) maybeTakes(name string) {
	if *screenshots != "" {
		p.takes(name)
	}
}

// takes takes pictures of the whole page: light and dark, on a phone and on a large screen, and one of the window of a
// phone.
func (p *person) takes(name string) {
	p.Helper()
	for _, look := range []struct {
		name, scheme string
		width        int64
	}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"narrow", "light", 360}, {"wide", "light", 1920}} {
		p.turns(look.scheme, look.width)
		p.pictures(name + "-" + look.name)
	}
	p.turns("light", 360)
	p.onAPhone()
	p.picture(name + "-phone")
	p.turns("light", 1280)
}

// pictures takes a picture with a window as high as the page.
func (p *person) pictures(name string) {
	p.Helper()
	size := find[[]int64](p, "the size", "[innerWidth, Math.max(innerHeight, document.scrollingElement.scrollHeight)]")
	p.does("making the window higher", chromedp.EmulateViewport(size[0], size[1]))
	p.picture(name)
}

// picture takes a picture of what is in the window.
func (p *person) picture(name string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	p.must("taking a picture", err)
	small, err := compress(picture)
	p.must("compressing it", err)
	p.must("keeping it", os.WriteFile(filepath.Join(*screenshots, name+".png"), small, 0o666))
}

// compress reduces a picture to its most frequent colours. Pages have few, apart
// from the edges of letters.
func compress(picture []byte) ([]byte, error) {
	full, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	count := map[color.Color]int{}
	for y := range full.Bounds().Dy() {
		for x := range full.Bounds().Dx() {
			count[full.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] })
	small := image.NewPaletted(full.Bounds(), colours[:min(len(colours), 256)])
	nearest := map[color.Color]uint8{}
	for y := range full.Bounds().Dy() {
		for x := range full.Bounds().Dx() {
			c := full.At(x, y)
			if _, known := nearest[c]; !known {
				nearest[c] = uint8(small.Palette.Index(c))
			}
			small.SetColorIndex(x, y, nearest[c])
		}
	}
	var b bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, small)
	return b.Bytes(), err
}
