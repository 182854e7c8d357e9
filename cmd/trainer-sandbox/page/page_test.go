package page

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	bucket = "vision-platform"
	token  = "page-token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sandbox is a store, a backend and the page, as trainer-sandbox joins them.
type sandbox struct {
	t       *testing.T
	client  *s3.Client
	backend *backend.Backend
	server  *httptest.Server
	mux     *http.ServeMux
}

func start(t *testing.T) *sandbox {
	t.Helper()
	objects, err := store.Start(t.Context(), store.Config{Dir: t.TempDir(), Buckets: []string{bucket}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	calls, err := backend.New(backend.Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := objects.Client(func(o *s3.Options) { o.HTTPClient = &http.Client{Transport: transport} })
	mux := http.NewServeMux()
	mux.Handle("/", New(Config{Objects: client, Bucket: bucket, Calls: calls}))
	for _, path := range backend.Paths() {
		mux.Handle(path, calls)
	}
	s := &sandbox{t, client, calls, httptest.NewServer(mux), mux}
	t.Cleanup(s.server.Close)
	t.Cleanup(func() { _ = calls.Close() })
	return s
}

func (s *sandbox) put(key string, body []byte) {
	s.t.Helper()
	_, err := s.client.PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(body)})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *sandbox) get(path string, header ...string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.server.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.server.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(body)
}

// fill puts a dataset of four images, the results of a validation, a checkpoint
// and a log into the bucket.
func (s *sandbox) fill(job string) {
	s.t.Helper()
	s.put(contract.DatasetZipKey("shapes"), dataset(s.t))
	var images []map[string]any
	for i := range 4 {
		images = append(images, map[string]any{
			"file_name": fmt.Sprintf("shape_%d.jpg", i), "bbox_format": "xyxy",
			"ground_truth": []any{map[string]any{"class_name": "circle", "bbox": []int{10, 10, 40, 40}}},
			"predictions":  []any{map[string]any{"class_name": "star", "bbox": []int{12, 12, 38, 44}, "confidence": 0.83}},
		})
	}
	results, err := json.Marshal(map[string]any{"epoch": 1, "images": images})
	if err != nil {
		s.t.Fatal(err)
	}
	s.put(contract.ImageResultsKey(job, 1), results)
	s.put(contract.CheckpointKey(job, "best.pt"), []byte("not a model"))
	var log strings.Builder
	for n := 1; n <= 6; n++ {
		fmt.Fprintf(&log, "Epoch %d/6  loss %.2f\n", n, 3.0/float64(n))
	}
	s.put(contract.TrainingLogKey(job), []byte(log.String()))
}

// dataset is a zip in Platform Format with a wrapping folder of images.
func dataset(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	var images []map[string]any
	for i := range 4 {
		name := fmt.Sprintf("shape_%d.jpg", i)
		picture := image.NewRGBA(image.Rect(0, 0, 64, 64))
		for p := range 64 * 64 {
			picture.Set(p%64, p/64, color.RGBA{uint8(60 * i), uint8(p % 64 * 4), 120, 255})
		}
		w, err := z.Create("images/" + name)
		if err == nil {
			err = jpeg.Encode(w, picture, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, map[string]any{"id": i, "file_name": name, "annotations": []any{map[string]any{
			"class_name": "circle", "bbox": []int{10, 10, 30, 30}, "segmentation": [][]int{{10, 10, 40, 10, 40, 40}}, "keypoints": []int{25, 25, 2},
		}}})
	}
	w, err := z.Create("annotations.json")
	if err == nil {
		err = json.NewEncoder(w).Encode(map[string]any{"images": images})
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// report sends one callback.
func (s *sandbox) report(kind contract.Kind, job string, n int, payload any) {
	s.t.Helper()
	body, err := json.Marshal(payload)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.server.URL+kind.Path(job), bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(contract.HeaderAuthorization, "Bearer "+token)
	r.Header.Set(contract.HeaderTraceID, "t")
	r.Header.Set(contract.HeaderIdempotencyKey, fmt.Sprintf("%s:%d", job, n))
	resp, err := s.server.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		detail, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("%s: %s", resp.Status, detail)
	}
}

func TestThePageAndItsPartsAreServedWithAStrictPolicy(t *testing.T) {
	s := start(t)
	_, index := s.get("/")
	for _, path := range []string{"/", "/assets/app.js", "/assets/style.css"} {
		resp, body := s.get(path)
		policy := resp.Header.Get("Content-Security-Policy")
		if resp.StatusCode != http.StatusOK || body == "" || !strings.Contains(policy, "default-src 'self'") {
			t.Errorf("%s: got %s, policy %q", path, resp.Status, policy)
		}
	}
	if strings.Contains(index, "http://") && strings.Count(index, "http://") != strings.Count(index, "http://www.w3.org") || strings.Contains(index, "https://") {
		t.Error("the page names another server")
	}
	if resp, _ := s.get("/nothing"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown path: got %s", resp.Status)
	}
}

func TestObjectsAreListedAndSent(t *testing.T) {
	s := start(t)
	s.fill("job-1")
	if _, body := s.get("/_sandbox/objects?prefix=checkpoints/"); !strings.Contains(body, `"key":"checkpoints/job-job-1/best.pt","size":11`) {
		t.Errorf("got %s", body)
	}
	resp, body := s.get("/_sandbox/objects/checkpoints/job-job-1/best.pt?download")
	if body != "not a model" || resp.Header.Get("Content-Disposition") != "attachment; filename=best.pt" {
		t.Errorf("got %q, %q", body, resp.Header.Get("Content-Disposition"))
	}
	resp, body = s.get("/_sandbox/objects/logs/job-job-1/training.log", "Range", "bytes=-10")
	if resp.StatusCode != http.StatusPartialContent || body != "loss 0.50\n" {
		t.Errorf("a range: got %s %q", resp.Status, body)
	}
	if resp, body = s.get("/_sandbox/objects/absent"); resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "NoSuchKey") {
		t.Errorf("an absent object: got %s %s", resp.Status, body)
	}
}

func TestWhatAJobUploadsNeverRunsAsAPage(t *testing.T) {
	s := start(t)
	for _, name := range []string{"a.html", "a.svg", "a.js", "a.json"} {
		s.put("jobs/x/"+name, []byte("<script>alert(1)</script>"))
		resp, _ := s.get("/_sandbox/objects/jobs/x/" + name)
		kind := resp.Header.Get("Content-Type")
		if strings.Contains(kind, "html") || strings.Contains(kind, "svg") || strings.Contains(kind, "javascript") ||
			resp.Header.Get("Content-Security-Policy") != "sandbox" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s is sent as %q", name, kind)
		}
	}
}

func TestSamplesComeFromTheLatestValidationElseFromTheLabels(t *testing.T) {
	s := start(t)
	s.fill("job-1")
	s.report(contract.KindEvent, "job-1", 1, contract.Event{
		EventType: contract.EventDatasetDownloaded, Data: json.RawMessage(`{"dataset_id": "shapes"}`), Timestamp: contract.At(jan),
	})
	_, body := s.get("/_sandbox/samples/job-1")
	for _, want := range []string{`"epoch":0`, `"box":[10,10,40,40]`, `"polygons":[[10,10,40,10,40,40]]`, `"keypoints":[25,25,2]`, `"predictions":null`} {
		if !strings.Contains(body, want) {
			t.Errorf("labels: %s is missing in %s", want, body)
		}
	}
	for epoch := 1; epoch <= 2; epoch++ { // of the second one nothing is in the bucket yet
		s.report(contract.KindValidation, "job-1", epoch+1, contract.Validation{
			Epoch: epoch, TaskType: contract.TaskObjectDetection, PrimaryMetricName: "mAP50-95", Metrics: contract.Metrics{}, Timestamp: contract.At(jan),
		})
	}
	_, body = s.get("/_sandbox/samples/job-1")
	for _, want := range []string{`"epoch":1`, `"class":"star","confidence":0.83,"box":[12,12,38,44]`, `"url":"/_sandbox/images/shapes?file=shape_0.jpg"`} {
		if !strings.Contains(body, want) {
			t.Errorf("results: %s is missing in %s", want, body)
		}
	}
}

func TestSamplesOfAnUnknownJobTakeTheOnlyDataset(t *testing.T) {
	s := start(t)
	if resp, _ := s.get("/_sandbox/samples/job-1"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("an empty bucket: got %s", resp.Status)
	}
	s.fill("job-1")
	if _, body := s.get("/_sandbox/samples/other"); !strings.Contains(body, `"dataset":"shapes"`) {
		t.Errorf("got %s", body)
	}
}

func TestImagesAreFoundInTheArchive(t *testing.T) {
	s := start(t)
	s.fill("job-1")
	for _, name := range []string{"shape_1.jpg", "images/shape_1.jpg", "val/circle/shape_1.jpg"} {
		resp, body := s.get("/_sandbox/images/shapes?file=" + name)
		if resp.Header.Get("Content-Type") != "image/jpeg" || len(body) == 0 {
			t.Errorf("%s: got %s %s", name, resp.Status, resp.Header.Get("Content-Type"))
		}
	}
	if resp, _ := s.get("/_sandbox/images/shapes?file=annotations.json"); resp.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("no image: got %s", resp.Header.Get("Content-Type"))
	}
	for _, path := range []string{"/_sandbox/images/shapes?file=none.jpg", "/_sandbox/images/none?file=a.jpg"} {
		if resp, _ := s.get(path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %s, want 404", path, resp.Status)
		}
	}
	s.put(contract.DatasetZipKey("torn"), []byte("no zip"))
	if resp, body := s.get("/_sandbox/images/torn?file=a.jpg"); resp.StatusCode != http.StatusBadGateway || !strings.Contains(body, "torn.zip") {
		t.Errorf("a broken archive: got %s %s", resp.Status, body)
	}
}

func TestResultsOfClassificationHaveNoBoxes(t *testing.T) {
	list, err := parseResults([]byte(`{"images": [{"file_name": "a.jpg", "ground_truth": {"class_name": "star"}, "predictions": [{"class_name": "circle", "confidence": 0.7}]}]}`))
	if err != nil || len(list) != 1 || list[0].Labels[0].Class != "star" || list[0].Predictions[0].Class != "circle" {
		t.Errorf("got %+v, %v", list, err)
	}
}

func FuzzResults(f *testing.F) {
	f.Add([]byte(`{"images": [{"file_name": "a", "ground_truth": [], "predictions": {"bbox": [1]}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, parse := range []func([]byte) ([]sample, error){parseResults, parseAnnotations} {
			if list, err := parse(body); err == nil && len(list) > sampleCount {
				t.Errorf("%d samples", len(list))
			}
		}
	})
}
