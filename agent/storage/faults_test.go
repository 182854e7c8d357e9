package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// crooked is a server with one object that misbehaves as the test says. It
// counts GETs, and answers honestly what fault leaves to it.
type crooked struct {
	body  []byte
	etag  string
	gets  atomic.Int64
	fault func(n int64, w http.ResponseWriter, r *http.Request) (handled bool)
}

func (c *crooked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int64(0)
	if r.Method == http.MethodGet {
		n = c.gets.Add(1)
	}
	if c.fault != nil && c.fault(n, w, r) {
		return
	}
	w.Header().Set("ETag", c.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(c.body))
}

func (c *crooked) start(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return s.URL
}

// span is the half-open range of bytes that r asks for.
func (c *crooked) span(r *http.Request) (first, last int) {
	last = len(c.body) - 1
	_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last)
	return first, min(last, len(c.body)-1) + 1
}

// partial sends only n bytes of the range and then does what end says.
func (c *crooked) partial(w http.ResponseWriter, r *http.Request, n int, end func()) {
	first, last := c.span(r)
	w.Header().Set("ETag", c.etag)
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last-1, len(c.body)))
	w.Header().Set("Content-Length", fmt.Sprint(last-first))
	w.WriteHeader(http.StatusPartialContent)
	_, _ = w.Write(c.body[first:min(last, first+n)])
	_ = http.NewResponseController(w).Flush()
	end()
}

func abort() { panic(http.ErrAbortHandler) }

func s3Refusal(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>said the server</Message></Error>", code)
}

func TestReadSurvivesAMisbehavingServer(t *testing.T) {
	body := noise(3 << 20)
	for name, fault := range map[string]func(c *crooked) func(int64, http.ResponseWriter, *http.Request) bool{
		"honest": func(*crooked) func(int64, http.ResponseWriter, *http.Request) bool { return nil },
		"resets every connection after 400 KB": func(c *crooked) func(int64, http.ResponseWriter, *http.Request) bool {
			return func(n int64, w http.ResponseWriter, r *http.Request) bool {
				if n < 6 {
					c.partial(w, r, 400_000, abort)
				}
				return n < 6
			}
		},
		"stalls in the middle": func(c *crooked) func(int64, http.ResponseWriter, *http.Request) bool {
			return func(n int64, w http.ResponseWriter, r *http.Request) bool {
				if n == 1 {
					c.partial(w, r, 70_000, func() { <-r.Context().Done() })
				}
				return n == 1
			}
		},
		"ends early and calls it complete": func(c *crooked) func(int64, http.ResponseWriter, *http.Request) bool {
			return func(n int64, w http.ResponseWriter, r *http.Request) bool {
				first, last := c.span(r)
				if n >= 5 || last-first < 100 {
					return false
				}
				w.Header().Set("ETag", c.etag)
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last-1, len(c.body)))
				w.WriteHeader(http.StatusPartialContent) // chunked: no length to check
				_, _ = w.Write(c.body[first : first+(last-first)/2])
				return true
			}
		},
		"slow down, twice": func(*crooked) func(int64, http.ResponseWriter, *http.Request) bool {
			return func(n int64, w http.ResponseWriter, _ *http.Request) bool {
				if n <= 2 {
					w.Header().Set("Retry-After", "0")
					s3Refusal(w, http.StatusServiceUnavailable, "SlowDown")
				}
				return n <= 2
			}
		},
		"sends more than was asked for": func(c *crooked) func(int64, http.ResponseWriter, *http.Request) bool {
			return func(_ int64, w http.ResponseWriter, r *http.Request) bool {
				first, _ := c.span(r)
				w.Header().Set("ETag", c.etag)
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, len(c.body)-1, len(c.body)))
				w.WriteHeader(http.StatusPartialContent)
				_, _ = w.Write(c.body[first:])
				return true
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := &crooked{body: body, etag: `"v1"`}
			c.fault = fault(c)
			s := openAt(t, c.start(t), func(cfg *Config) { cfg.StallTimeout = 300 * time.Millisecond })
			if got := read(t, s, "a", 1000, 2<<20, `"v1"`); !bytes.Equal(got, body[1000:1000+2<<20]) {
				t.Errorf("%d bytes that differ", len(got))
			}
		})
	}
}

func TestReadGivesUpOnAServerThatAlwaysBreaks(t *testing.T) {
	c := &crooked{body: noise(1 << 20), etag: `"v1"`}
	c.fault = func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		c.partial(w, r, 1, abort) // a byte of progress each time must not make it endless
		return true
	}
	s := openAt(t, c.start(t), nil)
	r, _, err := s.Get(t.Context(), "a", 10, 1<<19, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = io.ReadAll(r)
	wantFailure(t, "reading", err, contract.CodeStorageError, "before the object is complete")
	if n := c.gets.Load(); n > maxBreaks+2 {
		t.Errorf("%d requests", n)
	}
}

func TestReadNeverMixesTwoVersions(t *testing.T) {
	c := &crooked{body: noise(1 << 20), etag: `"v1"`}
	for name, after := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"server that heeds If-Match":   func(http.ResponseWriter, *http.Request) bool { return false },
		"server that ignores If-Match": func(_ http.ResponseWriter, r *http.Request) bool { r.Header.Del("If-Match"); return false },
	} {
		t.Run(name, func(t *testing.T) {
			first := true
			c.etag = `"v1"`
			c.fault = func(_ int64, w http.ResponseWriter, r *http.Request) bool {
				if first {
					first = false
					c.partial(w, r, 1000, func() { c.etag = `"v2"`; abort() })
					return true
				}
				return after(w, r)
			}
			s := openAt(t, c.start(t), nil)
			r, _, err := s.Get(t.Context(), "a", 0, -1, "")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := io.ReadAll(r); !errors.Is(err, contract.ErrObjectChanged) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestServerWithoutRangesIsReported(t *testing.T) {
	c := &crooked{body: noise(5000), etag: `"v1"`}
	c.fault = func(_ int64, _ http.ResponseWriter, r *http.Request) bool { r.Header.Del("Range"); return false }
	s := openAt(t, c.start(t), nil)
	if _, _, err := s.Get(t.Context(), "a", 1, 10, ""); !errors.Is(err, contract.ErrNoRanges) {
		t.Errorf("from the middle: %v", err)
	}
	if got := read(t, s, "a", 0, 10, ""); !bytes.Equal(got, c.body[:10]) {
		t.Errorf("from the start: %d bytes", len(got))
	}
}

func TestRangeAtAnotherPlaceIsRefused(t *testing.T) {
	c := &crooked{body: noise(5000), etag: `"v1"`}
	c.fault = func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		r.Header.Set("Range", "bytes=0-9")
		return false
	}
	s := openAt(t, c.start(t), nil)
	_, _, err := s.Get(t.Context(), "a", 100, 10, "")
	if err == nil || !strings.Contains(err.Error(), `the range "bytes 0-9/5000"`) {
		t.Errorf("error %v", err)
	}
}

func TestListingThatDoesNotAdvanceEnds(t *testing.T) {
	c := &crooked{}
	c.fault = func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>`)
		return true
	}
	n := 0
	for _, err := range openAt(t, c.start(t), nil).List(t.Context(), "") {
		if n++; err != nil {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d items", n)
	}
}

// XML has no control characters, so that keys come URL-encoded, as S3 and MinIO write them;
// a server that passes over the wish sends them as they are.
func TestKeysAreDecodedIfTheServerEncodedThem(t *testing.T) {
	for key, encoded := range map[string]string{
		"d/\x01x.jpg": "d/%01x.jpg", "d/a b.jpg": "d/a+b.jpg", "d/a%20b.jpg": "d/a%2520b.jpg", "d/a+b.jpg": "d/a%2Bb.jpg",
		"d/100%.jpg": "d/100%25.jpg", "d/한.jpg": "d/%ED%95%9C.jpg", "d/a\nb.jpg": "d%2Fa%0Ab.jpg",
	} {
		for sent, says := range map[string]string{encoded: `<EncodingType>url</EncodingType>`, key: ""} {
			if says == "" && strings.ContainsAny(key, "\x01") {
				continue // which is no XML
			}
			c := &crooked{}
			c.fault = func(_ int64, w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Get("encoding-type") != "url" {
					t.Errorf("asked for %q", r.URL.RawQuery)
				}
				_, _ = fmt.Fprintf(w, `<ListBucketResult>%s<Contents><Key>%s</Key><Size>1</Size></Contents></ListBucketResult>`, says, sent)
				return true
			}
			wantKeys(t, openAt(t, c.start(t), nil), "d/", key)
		}
	}
}

func TestListingsThatCannotBeAreRefused(t *testing.T) {
	for content, says := range map[string]string{
		`<Contents><Key>a</Key><Size>-1</Size></Contents>`:                                   `"a" with -1 bytes`,
		`<EncodingType>url</EncodingType><Contents><Key>a%zz</Key><Size>1</Size></Contents>`: "not URL-encoded",
	} {
		c := &crooked{}
		c.fault = func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, `<ListBucketResult>`+content+`</ListBucketResult>`)
			return true
		}
		for _, err := range openAt(t, c.start(t), nil).List(t.Context(), "") {
			wantFailure(t, "listing", err, contract.CodeStorageError, says)
		}
	}
}

// The server that the tests and the sandbox have knows keys of every spelling.
func TestKeysOfEverySpellingAreListed(t *testing.T) {
	s := openServer(t, nil)
	keys := []string{"d/a b.jpg", "d/a+b.jpg", "d/a%20b.jpg", "d/a%2Bb.jpg", "d/100%.jpg", "d/한글.jpg", "d/a&<b>.jpg"}
	for _, key := range keys {
		if _, err := s.Put(t.Context(), key, strings.NewReader("x"), 1, nil); err != nil {
			t.Fatalf("%q: %v", key, err)
		}
	}
	wantKeys(t, s, "d/", keys...)
	wantKeys(t, s, "d/a+", "d/a+b.jpg")
	wantKeys(t, s, "d/a%2", "d/a%20b.jpg", "d/a%2Bb.jpg")
}

// parts is a server of multipart uploads that loses things.
type parts struct {
	mu       sync.Mutex
	sizes    map[string]int
	aborted  int
	complete func(w http.ResponseWriter) bool
	onPart   func(w http.ResponseWriter) bool
	stat     func(w http.ResponseWriter)
}

func (p *parts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		_, _ = io.WriteString(w, `<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>`)
	case r.Method == http.MethodPut && q.Has("partNumber"):
		n, _ := io.Copy(io.Discard, r.Body)
		if p.onPart != nil && p.onPart(w) {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.sizes == nil {
			p.sizes = map[string]int{}
		}
		p.sizes[q.Get("partNumber")] = int(n)
		w.Header().Set("ETag", `"`+strings.Repeat("ab", 16)+`"`)
	case r.Method == http.MethodPost:
		if p.complete == nil || !p.complete(w) {
			_, _ = io.WriteString(w, `<CompleteMultipartUploadResult><ETag>"x-3"</ETag></CompleteMultipartUploadResult>`)
		}
	case r.Method == http.MethodDelete:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.aborted++
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodHead && p.stat != nil:
		p.stat(w)
	default:
		s3Refusal(w, http.StatusNotFound, "NoSuchKey")
	}
}

func (p *parts) open(t *testing.T) Store {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return openAt(t, server.URL, nil)
}

const threeParts = 2*minPart + 1000

func TestPartsAreEqualButForTheLast(t *testing.T) {
	p := &parts{}
	if _, err := p.open(t).Put(t.Context(), "a", zeros{}, threeParts, nil); err != nil {
		t.Fatal(err)
	}
	if len(p.sizes) != 3 || p.sizes["1"] != minPart || p.sizes["2"] != minPart || p.sizes["3"] != 1000 {
		t.Errorf("parts %v", p.sizes)
	}
}

func TestPartSizeKeepsWithinTenThousandParts(t *testing.T) {
	for _, size := range []int64{1, minPart, minPart*maxParts - 1, minPart*maxParts + 1, 5 << 40} {
		if n := (size + partSize(size) - 1) / partSize(size); n > maxParts || partSize(size) < minPart {
			t.Errorf("%d bytes: %d parts of %d", size, n, partSize(size))
		}
	}
}

func TestFailedUploadIsAborted(t *testing.T) {
	for name, p := range map[string]*parts{
		"part refused":     {onPart: func(w http.ResponseWriter) bool { s3Refusal(w, http.StatusForbidden, "AccessDenied"); return true }},
		"complete refused": {complete: func(w http.ResponseWriter) bool { s3Refusal(w, http.StatusForbidden, "AccessDenied"); return true }},
		"error in a 200":   {complete: func(w http.ResponseWriter) bool { s3Refusal(w, http.StatusOK, "AccessDenied"); return true }},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.open(t).Put(t.Context(), "a", zeros{}, threeParts, nil)
			if err == nil || p.aborted != 1 {
				t.Errorf("error %v, aborted %d times", err, p.aborted)
			}
		})
	}
	t.Run("commit refused", func(t *testing.T) {
		p, refused := &parts{}, errors.New("the file changed")
		_, err := p.open(t).Put(t.Context(), "a", zeros{}, threeParts, func() error { return refused })
		if !errors.Is(err, refused) || p.aborted != 1 {
			t.Errorf("error %v, aborted %d times", err, p.aborted)
		}
	})
}

func TestLostAnswerToACompletedUploadIsNoFailure(t *testing.T) {
	tries := 0
	p := &parts{
		complete: func(w http.ResponseWriter) bool {
			if tries++; tries == 1 {
				abort() // completed, but the answer is lost
			}
			s3Refusal(w, http.StatusNotFound, "NoSuchUpload")
			return true
		},
		stat: func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", fmt.Sprint(threeParts))
			w.Header().Set("ETag", `"84b1c2c82e2e21b9d9e7bb8d3ab3a2c0-3"`)
		},
	}
	s := p.open(t)
	if _, err := s.Put(t.Context(), "a", zeros{}, threeParts, nil); err == nil {
		t.Error("an object with another tag was taken for ours")
	}
	tries = 0
	p.stat = func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", fmt.Sprint(threeParts))
		w.Header().Set("ETag", `"`+tagOfThree+`"`)
	}
	if _, err := s.Put(t.Context(), "a", zeros{}, threeParts, nil); err != nil {
		t.Errorf("our own object: %v", err)
	}
}

// tagOfThree is the ETag of three parts with the MD5 abab…ab:
// printf 'ab%.0s' {1..48} | xxd -r -p | md5sum
const tagOfThree = "7fe139b63b6013275a8aabe8558dbd28-3"

// zeros is an endless body of zeros.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

func TestMissingObjectAndMissingBucketDiffer(t *testing.T) {
	for code, want := range map[string]func(error) bool{
		"NoSuchKey":    func(err error) bool { return errors.Is(err, fs.ErrNotExist) },
		"NoSuchBucket": func(err error) bool { return !errors.Is(err, fs.ErrNotExist) },
	} {
		c := &crooked{fault: func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
			s3Refusal(w, http.StatusNotFound, code)
			return true
		}}
		if _, err := openAt(t, c.start(t), nil).Stat(t.Context(), "a"); !want(err) {
			t.Errorf("%s: %v", code, err)
		}
	}
}
