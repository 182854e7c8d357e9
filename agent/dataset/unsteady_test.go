package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/dataset/ziptree"
	"github.com/vision-platform/trainer-agent/contract"
)

// wantUnsteady: the object is named, and the job may be run again.
func wantUnsteady(t *testing.T, err error, names string) {
	t.Helper()
	f := contract.AsFailure(err)
	if f == nil || f.Code != contract.CodeStorageError || f.ExitCode() != contract.ExitInfra || !strings.Contains(f.Message, names) || f.Hint == "" {
		t.Errorf("%v, want a storage error that names %s", err, names)
	}
}

func TestAnObjectThatNeverStaysIsNamed(t *testing.T) {
	t.Run("other size than listed", func(t *testing.T) {
		b := prefixBucket(shapes())
		_, err := Fetch(t.Context(), resized{b}, Request{ID: "d1", Dir: t.TempDir()})
		wantUnsteady(t, err, "s3://b/datasets/d1/")
	})
	t.Run("cut short", func(t *testing.T) {
		b := prefixBucket(shapes())
		b.bend = func(_ string, r io.Reader) io.Reader { return io.LimitReader(r, 1) }
		_, err := Fetch(t.Context(), b, Request{ID: "d1", Dir: t.TempDir()})
		wantUnsteady(t, err, "s3://b/datasets/d1/")
	})
	t.Run("another version", func(t *testing.T) {
		b := prefixBucket(shapes())
		b.onGet = func(string, int64) error { return contract.ErrObjectChanged }
		_, err := Fetch(t.Context(), b, Request{ID: "d1", Dir: t.TempDir()})
		wantUnsteady(t, err, "s3://b/datasets/d1/")
	})
	t.Run("zip", func(t *testing.T) {
		b := zipBucket(t, shapes())
		b.onGet = func(string, int64) error { return contract.ErrObjectChanged }
		_, err := Fetch(t.Context(), b, Request{ID: "d1", Dir: t.TempDir()})
		wantUnsteady(t, err, "s3://b/datasets/d1.zip")
	})
	t.Run("weights", func(t *testing.T) {
		o := &origin{body: torch(1 << 20), etag: `"v0"`}
		o.fault = func(n int64, w http.ResponseWriter, _ *http.Request) bool {
			o.breakOff(w, 500_000)
			o.become(torch(1<<20), fmt.Sprintf(`"v%d"`, n), time.Time{})
			panic(http.ErrAbortHandler)
		}
		req := o.request(t)
		req.Attempts = 100
		_, err := FetchWeights(t.Context(), req)
		wantUnsteady(t, err, "/pretrained/yolo11n.pt")
	})
}

// resized is a bucket whose listing says other sizes than its objects have.
type resized struct{ *bucket }

func (r resized) List(ctx context.Context, prefix string) iter.Seq2[contract.ObjectInfo, error] {
	return func(yield func(contract.ObjectInfo, error) bool) {
		for o, err := range r.bucket.List(ctx, prefix) {
			o.Size++
			if !yield(o, err) {
				return
			}
		}
	}
}

// huge is a bucket that lists every object as large as a number can be.
type huge struct{ *bucket }

func (h huge) List(ctx context.Context, prefix string) iter.Seq2[contract.ObjectInfo, error] {
	return func(yield func(contract.ObjectInfo, error) bool) {
		for o, err := range h.bucket.List(ctx, prefix) {
			o.Size = math.MaxInt64
			if !yield(o, err) {
				return
			}
		}
	}
}

func TestSizesThatOverflowAreTooLarge(t *testing.T) {
	for name, limits := range map[string]ziptree.Limits{"by default": {}, "without a limit of bytes": {MaxFiles: 1000}, "with the highest limit": {MaxBytes: math.MaxInt64}} {
		_, err := Fetch(t.Context(), huge{prefixBucket(shapes())}, Request{ID: "d1", Dir: t.TempDir(), Limits: limits})
		if f, ok := errors.AsType[*contract.Failure](err); !ok || f.Code != contract.CodeDatasetTooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
}
