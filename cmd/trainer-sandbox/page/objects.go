package page

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// maxListed bounds one listing; the page shows a job's objects, not a bucket.
const maxListed = 5000

type objectInfo struct {
	Key      string    `json:"key"`
	Size     int64     `json:"size"` // bytes
	Modified time.Time `json:"modified"`
}

// listObjects lists what lies below a prefix.
func (h *handler) listObjects(w http.ResponseWriter, r *http.Request) {
	list := []objectInfo{}
	pages := s3.NewListObjectsV2Paginator(h.client, &s3.ListObjectsV2Input{
		Bucket: aws.String(h.bucket), Prefix: aws.String(r.URL.Query().Get("prefix")),
	})
	for pages.HasMorePages() && len(list) < maxListed {
		page, err := pages.NextPage(r.Context())
		if err != nil {
			refuseStore(w, err)
			return
		}
		for _, o := range page.Contents {
			list = append(list, objectInfo{aws.ToString(o.Key), aws.ToInt64(o.Size), aws.ToTime(o.LastModified)})
		}
	}
	writeJSON(w, map[string]any{"objects": list, "truncated": pages.HasMorePages()})
}

// getObject sends an object, or a range of it. It is never shown as a page of
// ours: whatever a job uploads is plain text or a download.
func (h *handler) getObject(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("key")
	in := &s3.GetObjectInput{Bucket: aws.String(h.bucket), Key: aws.String(key)}
	if rng := r.Header.Get("Range"); rng != "" {
		in.Range = aws.String(rng)
	}
	out, err := h.client.GetObject(r.Context(), in)
	if err != nil {
		refuseStore(w, err)
		return
	}
	defer out.Body.Close()
	header := w.Header()
	header.Set("Content-Security-Policy", "sandbox")
	header.Set("Content-Type", contentType(key))
	header.Set("Content-Length", strconv.FormatInt(aws.ToInt64(out.ContentLength), 10))
	if r.URL.Query().Has("download") {
		header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(key)}))
	}
	status := http.StatusOK
	if out.ContentRange != nil {
		header.Set("Content-Range", *out.ContentRange)
		status = http.StatusPartialContent
	}
	w.WriteHeader(status)
	_, _ = io.Copy(w, out.Body) // the client is gone when this fails
}

func contentType(key string) string {
	switch path.Ext(key) {
	case ".json", ".jsonl", ".log", ".txt", ".yaml", ".csv", ".md":
		return "text/plain; charset=utf-8"
	case ".png", ".jpg", ".jpeg", ".webp":
		return mime.TypeByExtension(path.Ext(key))
	}
	return "application/octet-stream"
}

// refuseStore answers with the store's own status.
func refuseStore(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	if resp, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = resp.HTTPStatusCode()
	}
	refuse(w, status, fmt.Sprintf("reading the bucket: %v", err))
}
