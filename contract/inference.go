package contract

// InferenceProgress reports the progress of an inference run.
type InferenceProgress struct {
	ProcessedImages    int       `json:"processed_images"`
	TotalImages        int       `json:"total_images"`
	ProgressPercent    Number    `json:"progress_percent"`
	AvgInferenceTimeMs Number    `json:"avg_inference_time_ms"`
	Timestamp          Timestamp `json:"timestamp"`
}

// TestRunDone ends a test run.
type TestRunDone struct {
	Status             Status             `json:"status"`
	OverallMetrics     Metrics            `json:"overall_metrics"`
	PerClassMetrics    []ClassMetrics     `json:"per_class_metrics"`
	ConfusionMatrix    [][]int64          `json:"confusion_matrix"`
	PRCurves           map[string]PRCurve `json:"pr_curves"`
	ResultsPath        *string            `json:"results_path"`
	VisualizationsPath *string            `json:"visualizations_path"`
	XAIResultsPath     *string            `json:"xai_results_path"`
	ErrorMessage       *string            `json:"error_message"`
	Error              *Failure           `json:"error,omitempty"`
	ExitCode           *int               `json:"exit_code,omitempty"`
	Timestamp          Timestamp          `json:"timestamp"`
}

// InferenceDone ends an inference job.
type InferenceDone struct {
	Status             Status    `json:"status"`
	ResultsPath        *string   `json:"results_path"`
	VisualizationsPath *string   `json:"visualizations_path"`
	XAIResultsPath     *string   `json:"xai_results_path"`
	ErrorMessage       *string   `json:"error_message"`
	Error              *Failure  `json:"error,omitempty"`
	ExitCode           *int      `json:"exit_code,omitempty"`
	Timestamp          Timestamp `json:"timestamp"`
}
