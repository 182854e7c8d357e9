package problem

import (
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

var (
	bad  = Kind{Code: "bad", Severity: Error, Message: "things are bad", Hint: "Mend them."}
	odd  = Kind{Code: "odd", Severity: Warning, Message: "things are odd"}
	note = Kind{Code: "note", Severity: Info, Message: "things are noted"}
)

func TestTheListDoesNotDependOnTheOrderOfWorkers(t *testing.T) {
	var lists [2]List
	for k := range lists {
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() { lists[k].Add(odd, (i*7)%1000, "image %d", (i*7)%1000) })
		}
		wg.Wait()
	}
	a, b := lists[0].Problems(), lists[1].Problems()
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%v\n%v", a, b)
	}
	if want := "1000 things are odd (image 0, image 1, image 2, image 3, image 4, ...)"; a[0].String() != want {
		t.Errorf("%s, want %s", a[0], want)
	}
}

func TestFailureCountsEverything(t *testing.T) {
	var l List
	l.Add(note, 0, "n")
	l.Add(odd, 0, "o")
	if f := l.Failure(false); f != nil || l.Fatal() {
		t.Errorf("a warning refuses the dataset: %v", f)
	}
	if f := l.Failure(true); f == nil || !strings.Contains(f.Message, "things are odd: 1 (o)") {
		t.Errorf("strict: %v", f)
	}
	l.Add(bad, 3, "%s", strings.Repeat("é", 500))
	f := l.Failure(false)
	if f == nil || f.Code != contract.CodeDatasetInvalid || f.Hint != "Mend them." || len(f.Evidence) != 2 || !l.Fatal() {
		t.Fatalf("%+v", f)
	}
	if len(l.Problems()[0].Examples[0]) > maxExampleBytes {
		t.Errorf("an example of %d bytes", len(l.Problems()[0].Examples[0]))
	}
}

// Who brought a hundred images wants to know why none is left.
func TestTooFewImagesNamesWhatLeavesThemOut(t *testing.T) {
	var l List
	for i := range 12 {
		l.Add(UnreadableFormat, i, "%d.tif: floating-point", i)
	}
	l.Add(odd, 0, "o")
	l.AddN(TooFewImages, 0, 0, "0 usable")
	f := l.Failure(false)
	if f == nil || !strings.Contains(f.Message, "12 images are in a format") || !strings.Contains(f.Message, "0.tif: floating-point") || strings.Contains(f.Message, "things are odd") || !strings.Contains(f.Hint, "Convert them to JPEG or PNG.") {
		t.Errorf("%+v", f)
	}
}
