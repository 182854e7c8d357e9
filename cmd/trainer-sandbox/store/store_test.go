package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

const bucket = "vision-platform"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a store whose client keeps no idle connection past the test.
func start(t *testing.T) (*Server, *s3.Client) {
	t.Helper()
	s, err := Start(context.Background(), Config{Dir: t.TempDir(), Buckets: []string{bucket}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, client(t, s)
}

func client(t *testing.T, s *Server, options ...func(*s3.Options)) *s3.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	own := func(o *s3.Options) {
		o.HTTPClient = &http.Client{Transport: transport}
		o.RetryMaxAttempts = 1
	}
	return s.Client(append([]func(*s3.Options){own}, options...)...)
}

func put(t *testing.T, c *s3.Client, key string, body []byte) *s3.PutObjectOutput {
	t.Helper()
	out, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatalf("putting %q: %v", key, err)
	}
	return out
}

func get(t *testing.T, c *s3.Client, in *s3.GetObjectInput) []byte {
	t.Helper()
	in.Bucket = aws.String(bucket)
	out, err := c.GetObject(t.Context(), in)
	if err != nil {
		t.Fatalf("getting %q: %v", *in.Key, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatalf("reading %q: %v", *in.Key, err)
	}
	return body
}

// wantCode fails unless err is the S3 error of that code. HEAD answers have no
// body, so the SDK names them after their status.
func wantCode(t *testing.T, err error, codes ...string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Fatalf("got %v, want an S3 error of %v", err, codes)
	}
	for _, c := range codes {
		if api.ErrorCode() == c {
			return
		}
	}
	t.Fatalf("got %v, want an S3 error of %v", err, codes)
}

func noise(size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{7})
	_, _ = r.Read(b)
	return b
}

func TestObjectsComeBackUnchangedUnderOddKeys(t *testing.T) {
	_, c := start(t)
	for _, key := range []string{"plain.txt", "a b+c&d%20e.txt", "데이터/이미지 1.jpg", "checkpoints/job-1/epoch-5.pt"} {
		body := noise(1000 + len(key))
		put(t, c, key, body)
		if got := get(t, c, &s3.GetObjectInput{Key: aws.String(key)}); !bytes.Equal(got, body) {
			t.Errorf("%q came back changed", key)
		}
	}
}

func TestWrongKeyIsRefused(t *testing.T) {
	s, _ := start(t)
	list := func(access, secret string) error {
		c := client(t, s, func(o *s3.Options) { o.Credentials = credentials.NewStaticCredentialsProvider(access, secret, "") })
		_, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
		return err
	}
	if err := list(s.AccessKey, s.SecretKey); err != nil {
		t.Fatalf("the right key: %v", err)
	}
	wantCode(t, list(s.AccessKey, "not-the-secret"), "SignatureDoesNotMatch")
	wantCode(t, list("nobody", s.SecretKey), "InvalidAccessKeyId")

	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/"+bucket, nil)
	if status := do(t, req); status != http.StatusForbidden {
		t.Errorf("an unsigned request: got %d, want 403", status)
	}
}

func do(t *testing.T, req *http.Request) int {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func TestRangesAreServed(t *testing.T) {
	_, c := start(t)
	body := noise(3000)
	put(t, c, "r.bin", body)
	for _, tc := range []struct {
		header string
		want   []byte
	}{
		{"bytes=0-0", body[:1]}, {"bytes=1000-1999", body[1000:2000]}, {"bytes=2990-", body[2990:]},
		{"bytes=-22", body[2978:]}, {"bytes=2900-9999", body[2900:]},
	} {
		if got := get(t, c, &s3.GetObjectInput{Key: aws.String("r.bin"), Range: aws.String(tc.header)}); !bytes.Equal(got, tc.want) {
			t.Errorf("%s: got %d bytes, want %d", tc.header, len(got), len(tc.want))
		}
	}
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("r.bin"), Range: aws.String("bytes=3000-")})
	wantCode(t, err, "InvalidRange")
}

func TestIfMatchRefusesAChangedObject(t *testing.T) {
	_, c := start(t)
	first := put(t, c, "pinned", []byte("one"))
	read := func() error {
		out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("pinned"), IfMatch: first.ETag})
		if err == nil {
			out.Body.Close()
		}
		return err
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	put(t, c, "pinned", []byte("two"))
	wantCode(t, read(), "PreconditionFailed")

	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("pinned"), IfNoneMatch: aws.String("*"), Body: strings.NewReader("x")})
	wantCode(t, err, "PreconditionFailed")
}

func TestMissingThingsHaveTheirOwnErrors(t *testing.T) {
	_, c := start(t)
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("absent")})
	wantCode(t, err, "NoSuchKey")
	_, err = c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("absent")})
	wantCode(t, err, "NotFound")
	_, err = c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("no-such-bucket")})
	wantCode(t, err, "NoSuchBucket")
}

func TestMultipartUploadKeepsEveryPart(t *testing.T) {
	_, c := start(t)
	const partSize = 5 << 20
	body := noise(2*partSize + 12345)
	up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("big.pt")})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	for n, rest := int32(1), body; len(rest) > 0; n++ {
		size := min(partSize, len(rest))
		out, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: aws.String(bucket), Key: aws.String("big.pt"), UploadId: up.UploadId,
			PartNumber: aws.Int32(n), Body: bytes.NewReader(rest[:size]),
		})
		if err != nil {
			t.Fatalf("part %d: %v", n, err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(n), ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
		rest = rest[size:]
	}
	_, err = c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("big.pt")})
	wantCode(t, err, "NotFound") // nothing is visible before it is complete

	_, err = c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(bucket), Key: aws.String("big.pt"), UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, c, &s3.GetObjectInput{Key: aws.String("big.pt")}); !bytes.Equal(got, body) {
		t.Error("the object came back changed")
	}
}

func TestAbortedMultipartUploadLeavesNothing(t *testing.T) {
	_, c := start(t)
	up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("gone")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("gone"), UploadId: up.UploadId})
	if err != nil {
		t.Fatal(err)
	}
	left, err := c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	if err != nil || len(left.Uploads) != 0 {
		t.Errorf("got %v, %v, want no upload left", left, err)
	}
}

func TestCopyObjectCopies(t *testing.T) {
	_, c := start(t)
	body := noise(70000)
	put(t, c, "checkpoints/job-1/last 1.pt", body)
	_, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("checkpoints/job-1/best.pt"),
		CopySource: aws.String(bucket + "/checkpoints/job-1/last%201.pt"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, c, &s3.GetObjectInput{Key: aws.String("checkpoints/job-1/best.pt")}); !bytes.Equal(got, body) {
		t.Error("the copy differs")
	}
}

func TestChecksumsAreChecked(t *testing.T) {
	_, c := start(t)
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("bad"), Body: strings.NewReader("hello"),
		ChecksumSHA256: aws.String("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
	})
	wantCode(t, err, "BadDigest")
	for _, a := range []types.ChecksumAlgorithm{types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmSha256, types.ChecksumAlgorithmCrc64nvme} {
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String(bucket), Key: aws.String("good"), Body: strings.NewReader("hello"), ChecksumAlgorithm: a,
		})
		if err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestListingsComeInPagesOfAThousand(t *testing.T) {
	_, c := start(t)
	const count = 1005
	var g errgroup.Group
	g.SetLimit(8)
	for i := range count {
		g.Go(func() error {
			_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: aws.String(bucket), Key: aws.String(fmt.Sprintf("p/%04d", i)), Body: strings.NewReader("x"),
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String("p/")})
	var sizes []int
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page.Contents))
	}
	if fmt.Sprint(sizes) != "[1000 5]" {
		t.Errorf("got pages of %v, want [1000 5]", sizes)
	}
}

func TestPresignedURLsWorkUntilTheyExpire(t *testing.T) {
	s, c := start(t)
	put(t, c, "weights.pt", []byte("weights"))
	at := func(signed time.Time) int {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/"+bucket+"/weights.pt?X-Amz-Expires=60", nil)
		creds := aws.Credentials{AccessKeyID: s.AccessKey, SecretAccessKey: s.SecretKey}
		uri, _, err := v4.NewSigner().PresignHTTP(t.Context(), creds, req, "UNSIGNED-PAYLOAD", "s3", Region, signed)
		if err != nil {
			t.Fatal(err)
		}
		plain, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, uri, nil)
		return do(t, plain)
	}
	if status := at(time.Now()); status != http.StatusOK {
		t.Errorf("a fresh URL: got %d, want 200", status)
	}
	if status := at(time.Now().Add(-5 * time.Minute)); status != http.StatusForbidden {
		t.Errorf("an expired URL: got %d, want 403", status)
	}
}

func TestDataOutlivesTheServerAtTheSameAddress(t *testing.T) {
	dir := t.TempDir()
	first, err := Start(t.Context(), Config{Dir: dir, Buckets: []string{bucket}})
	if err != nil {
		t.Fatal(err)
	}
	put(t, client(t, first), "kept", []byte("still here"))
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	second, err := Start(t.Context(), Config{Dir: dir, Addr: first.Addr, Buckets: []string{bucket}})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if got := get(t, client(t, second), &s3.GetObjectInput{Key: aws.String("kept")}); string(got) != "still here" {
		t.Errorf("got %q", got)
	}
}

func TestStoresLiveSideBySideAndLeaveTheWorkingDirectoryAlone(t *testing.T) {
	before, _ := os.Getwd()
	_, one := start(t)
	_, two := start(t)
	put(t, one, "k", []byte("1"))
	put(t, two, "k", []byte("2"))
	if got := get(t, one, &s3.GetObjectInput{Key: aws.String("k")}); string(got) != "1" {
		t.Errorf("the first store holds %q", got)
	}
	if after, _ := os.Getwd(); after != before {
		t.Errorf("the working directory moved from %s to %s", before, after)
	}
}

func TestBusyAddressIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Start(t.Context(), Config{Dir: t.TempDir(), Addr: l.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v, want an error that names the address", err)
	}
}

func TestFolderIsRequired(t *testing.T) {
	if _, err := Start(t.Context(), Config{}); err == nil {
		t.Error("started without a folder")
	}
}

// Clients open connections in advance; one that was never used keeps no store from ending.
func TestAConnectionThatWasNeverUsedKeepsNoStore(t *testing.T) {
	s, c := start(t)
	var dialer net.Dialer
	unused, err := dialer.DialContext(t.Context(), "tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer unused.Close()
	put(t, c, "k", nil) // answered after the connection was taken
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
