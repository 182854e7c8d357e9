package autoreport

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/callbacks/relay"
	"github.com/vision-platform/trainer-agent/contract"
)

// A row is one finished epoch of a result file.
type row struct {
	epoch   int // 1-based
	metrics contract.Metrics
}

// maxMetrics bounds the metrics of one epoch; Ultralytics writes about twenty.
const maxMetrics = 512

// parseCSV reads Ultralytics' results.csv: a header, then a line an epoch, each
// written by one write(2) when the epoch has ended. A last line without its end
// is not there yet. Old versions pad the columns with spaces and count from 0.
func parseCSV(b []byte) ([]row, error) {
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	r := csv.NewReader(bytes.NewReader(b))
	r.TrimLeadingSpace, r.ReuseRecord = true, true
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	names := make([]string, len(header))
	for i, h := range header {
		names[i] = strings.TrimSpace(h)
	}
	at := slices.Index(names, "epoch")
	if at < 0 || len(names) > maxMetrics {
		return nil, fmt.Errorf("it has no column epoch, or more than %d columns", maxMetrics)
	}
	var rows []row
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return fromOne(rows), nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading epoch %d: %w", len(rows)+1, err)
		}
		if epoch, metrics, ok := readLine(names, line, at); ok {
			rows = append(rows, row{epoch, metrics})
		}
	}
}

func readLine(names, line []string, at int) (epoch int, metrics contract.Metrics, ok bool) {
	if len(line) != len(names) {
		return 0, nil, false
	}
	e, err := strconv.ParseFloat(strings.TrimSpace(line[at]), 64)
	if err != nil || e != math.Trunc(e) || e < 0 || e > math.MaxInt32 {
		return 0, nil, false
	}
	metrics = contract.Metrics{}
	for i, cell := range line {
		v, err := strconv.ParseFloat(strings.TrimSpace(cell), 64)
		if i != at && err == nil {
			metrics[ultralyticsName(names[i])] = contract.Number(v)
		}
	}
	return int(e), metrics, true
}

// fromOne makes the epochs of a file that counts from 0 count from 1.
func fromOne(rows []row) []row {
	if len(rows) > 0 && rows[0].epoch == 0 {
		for i := range rows {
			rows[i].epoch++
		}
	}
	return rows
}

// ultralyticsName gives a column the name that the platform uses: the metrics of
// boxes are the plain ones, and top-1 accuracy is "accuracy", as PRIMARY_METRIC has it.
func ultralyticsName(column string) string {
	name, isMetric := strings.CutPrefix(column, "metrics/")
	if !isMetric {
		return column
	}
	if name == "accuracy_top1" {
		return "accuracy"
	}
	return strings.TrimSuffix(name, "(B)")
}

// parseTrainerState reads log_history of Hugging Face's trainer_state.json.
// Entries carry a fractional epoch; what was logged in (e-1, e] belongs to epoch
// e, the later value where there are several. An epoch has ended when an entry
// reaches it (0.99 counts: the last step of an epoch can fall short with
// gradient accumulation) or goes beyond.
func parseTrainerState(b []byte) ([]row, error) {
	clean, err := relay.Clean(b, notANumber) // json.dump writes bare NaN
	if err != nil {
		return nil, err
	}
	var state struct {
		LogHistory []map[string]any `json:"log_history"`
	}
	if err := json.Unmarshal(clean, &state); err != nil {
		return nil, err
	}
	byEpoch := map[int]contract.Metrics{}
	reached := 0.0
	for _, entry := range state.LogHistory {
		at, ok := entry["epoch"].(float64)
		if !ok || at <= 0 || at > math.MaxInt32 {
			continue
		}
		reached = max(reached, at)
		epoch := int(math.Ceil(at))
		if byEpoch[epoch] == nil {
			byEpoch[epoch] = contract.Metrics{}
		}
		collect(byEpoch[epoch], entry)
	}
	var rows []row
	for epoch, metrics := range byEpoch {
		if float64(epoch) <= reached+0.02 {
			rows = append(rows, row{epoch, metrics})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return a.epoch - b.epoch })
	return rows, nil
}

// notANumber stands for NaN and the infinities while the file is read: a null, which
// says that there is no value, is not one of them.
const notANumber = `"NaN"`

func collect(metrics contract.Metrics, entry map[string]any) {
	for name, value := range entry {
		v, isNumber := value.(float64)
		if value == "NaN" {
			v, isNumber = math.NaN(), true
		}
		if !isNumber || name == "epoch" || name == "step" || len(metrics) >= maxMetrics {
			continue
		}
		metrics[huggingFaceName(name)] = contract.Number(v)
	}
}

// huggingFaceName drops the eval_ of metrics that only an evaluation has, so
// that eval_accuracy is "accuracy"; the loss exists in both and keeps it.
func huggingFaceName(name string) string {
	if plain, ok := strings.CutPrefix(name, "eval_"); ok && plain != "loss" {
		return plain
	}
	return name
}
