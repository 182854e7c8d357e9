package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	sampleCount     = 12
	maxImageResults = 256 << 20 // bytes of one images.json
)

// sample is one image with what is on it.
type sample struct {
	File        string  `json:"file"`
	URL         string  `json:"url"`
	Labels      []shape `json:"labels"`
	Predictions []shape `json:"predictions"`
}

// shape is one object on an image, in pixels of that image; a whole image's class
// has no box.
type shape struct {
	Class      string           `json:"class"`
	Confidence *contract.Number `json:"confidence,omitempty"`
	Box        []float64        `json:"box,omitempty"` // x1, y1, x2, y2
	Polygons   [][]float64      `json:"polygons,omitempty"`
	Keypoints  []float64        `json:"keypoints,omitempty"` // x, y, visibility …
}

// samples answers with a dozen images of a job: its latest validation with labels
// and predictions, or before the first one the dataset's labels alone.
func (h *handler) samples(w http.ResponseWriter, r *http.Request) {
	job := r.PathValue("job")
	calls := h.calls.Calls(job)
	dataset, err := h.datasetOf(r.Context(), calls)
	if err != nil {
		refuseStore(w, err)
		return
	}
	list, epoch, err := h.validated(r.Context(), job, calls)
	if err != nil || len(list) == 0 {
		list, err = h.labelled(r.Context(), dataset)
	}
	if errors.Is(err, fs.ErrNotExist) {
		refuse(w, http.StatusNotFound, "the job's dataset is not in the bucket as an archive")
		return
	}
	if err != nil {
		refuseStore(w, err)
		return
	}
	for i := range list {
		list[i].URL = "/_sandbox/images/" + url.PathEscape(dataset) + "?file=" + url.QueryEscape(list[i].File)
	}
	writeJSON(w, map[string]any{"dataset": dataset, "epoch": epoch, "images": list})
}

// datasetOf finds the job's dataset in its events, else takes the only archive.
func (h *handler) datasetOf(ctx context.Context, calls []backend.Call) (string, error) {
	for _, c := range backend.Accepted(calls, contract.KindEvent) {
		var e struct {
			Data struct {
				Dataset string `json:"dataset_id"`
				Source  string `json:"source"` // s3:// URI
			} `json:"data"`
		}
		if c.Decode(&e) != nil {
			continue // data of another shape
		}
		if name, ok := datasetName(e.Data.Source); ok {
			return name, nil
		}
		if e.Data.Dataset != "" {
			return e.Data.Dataset, nil
		}
	}
	out, err := h.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(h.bucket), Prefix: aws.String("datasets/")})
	if err != nil {
		return "", err
	}
	for _, o := range out.Contents {
		if name, ok := datasetName(aws.ToString(o.Key)); ok {
			return name, nil
		}
	}
	return "", nil
}

// datasetName reads the dataset's id from the key or the URI of its archive.
func datasetName(key string) (string, bool) {
	_, file, found := strings.Cut(key, "datasets/")
	name, archive := strings.CutSuffix(file, ".zip")
	return name, found && archive && !strings.Contains(name, "/")
}

// validated reads the samples of the latest validation whose images are in the bucket.
func (h *handler) validated(ctx context.Context, job string, calls []backend.Call) (list []sample, epoch int, err error) {
	validations := backend.Accepted(calls, contract.KindValidation)
	for i := len(validations) - 1; i >= 0; i-- {
		var v contract.Validation
		if validations[i].Decode(&v) != nil {
			continue
		}
		body, err := h.read(ctx, contract.ImageResultsKey(job, v.Epoch))
		if err != nil {
			continue // not uploaded yet: an earlier one will do
		}
		list, err := parseResults(body)
		return list, v.Epoch, err
	}
	return nil, 0, nil
}

func (h *handler) read(ctx context.Context, key string) ([]byte, error) {
	out, err := h.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(h.bucket), Key: aws.String(key)})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(io.LimitReader(out.Body, maxImageResults))
}

// parseResults reads images.json as the trainers write it.
func parseResults(body []byte) ([]sample, error) {
	var file struct {
		Images []struct {
			File        string          `json:"file_name"`
			Truth       json.RawMessage `json:"ground_truth"`
			Predictions json.RawMessage `json:"predictions"`
		} `json:"images"`
	}
	if err := json.Unmarshal(body, &file); err != nil {
		return nil, err
	}
	list := []sample{}
	for _, i := range spread(len(file.Images)) {
		image := file.Images[i]
		list = append(list, sample{File: image.File, Labels: parseResult(image.Truth), Predictions: parseResult(image.Predictions)})
	}
	return list, nil
}

// parseResult reads objects with boxes, or the class of the whole image.
func parseResult(raw json.RawMessage) []shape {
	type result struct {
		Class      string           `json:"class_name"`
		Confidence *contract.Number `json:"confidence"`
		Box        []float64        `json:"bbox"` // x1, y1, x2, y2
	}
	var many []result
	if bytes.HasPrefix(raw, []byte("{")) {
		raw = append(append([]byte("["), raw...), ']')
	}
	if json.Unmarshal(raw, &many) != nil {
		return nil
	}
	shapes := []shape{}
	for _, one := range many {
		shapes = append(shapes, shape{Class: one.Class, Confidence: one.Confidence, Box: one.Box})
	}
	return shapes
}

// spread picks up to sampleCount of n things, evenly.
func spread(n int) []int {
	count := min(n, sampleCount)
	picked := make([]int, count)
	for i := range picked {
		picked[i] = i * n / count
	}
	return picked
}
