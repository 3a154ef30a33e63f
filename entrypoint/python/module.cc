// The pybind11 shim: one function for each of Python's, the GIL released while C++ works.
#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "auto_label_image_grounding/base/log.h"
#include "auto_label_image_grounding/base/version.h"
#include "auto_label_image_grounding/evaluation/evaluate.h"
#include "auto_label_image_grounding/evaluation/evaluation_report.h"
#include "auto_label_image_grounding/run/dry_run.h"
#include "auto_label_image_grounding/run/pipeline.h"
#include "auto_label_image_grounding/spec/spec.h"

namespace py = pybind11;

namespace alig {
namespace {

// Python's logging levels (https://docs.python.org/3/library/logging.html#logging-levels).
int python_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return 10;
    case LogLevel::kInfo:
      return 20;
    case LogLevel::kWarning:
      return 30;
    case LogLevel::kError:
      return 40;
  }
  return 20;
}

// Messages come from several threads; Python hears of them on the run's own thread alone, when it
// looks at signals anyway. So no other thread ever waits for the GIL.
class QueueLogger final : public Logger {
 public:
  void log(LogLevel level, std::string_view message) override {
    const std::lock_guard lock(mutex_);
    messages_.emplace_back(python_level(level), message);
  }
  std::deque<std::pair<int, std::string>> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
  }

 private:
  std::mutex mutex_;
  std::deque<std::pair<int, std::string>> messages_;
};

py::dict to_dict(const Progress& progress) {
  py::dict out;
  out["records"] = progress.records;
  out["finished"] = progress.finished;
  out["failed"] = progress.failed;
  out["requests"] = progress.requests;
  out["in_flight"] = progress.in_flight;
  return out;
}

// As Python's own functions show a path with bytes that are not UTF-8: none is lost.
py::str to_python(const std::string& text) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape"));
}

// What Python code may do during a run: take messages, see progress, raise. The first exception
// (KeyboardInterrupt of a signal, or a callback's own) stops the run and is raised at its end.
class PythonSide {
 public:
  PythonSide(py::function on_log, std::optional<py::function> on_progress)
      : on_log_(std::move(on_log)), on_progress_(std::move(on_progress)) {}

  RunHooks hooks() {
    RunHooks hooks;
    hooks.logger = &logger_;
    hooks.interrupt = [this] { return look_at_python(); };
    hooks.on_progress = [this](const Progress& progress) { progress_ = progress; };
    return hooks;
  }

  // With the GIL. What is left in the queue goes to Python; then the exception, if any.
  void finish() {
    call([this] { flush(); });
    if (raised_) {
      py::error_already_set error = std::move(*raised_);
      raised_.reset();
      throw error;
    }
  }

 private:
  template <typename Body>
  void call(Body body) {
    try {
      body();
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    } catch (py::error_already_set& error) {
      ++interrupts_;
      if (!raised_) raised_.emplace(std::move(error));
    }
  }
  void flush() {
    for (const auto& [level, message] : logger_.take()) on_log_(level, to_python(message));
  }
  Interrupt look_at_python() {
    const py::gil_scoped_acquire gil;
    call([this] {
      flush();
      if (on_progress_ && !raised_ && progress_) (*on_progress_)(to_dict(*progress_));
    });
    if (interrupts_ == 0) return Interrupt::kNone;
    return interrupts_ == 1 ? Interrupt::kStop : Interrupt::kNow;
  }

  QueueLogger logger_;
  py::function on_log_;
  std::optional<py::function> on_progress_;
  std::optional<Progress> progress_;  // absent while the input is read
  std::optional<py::error_already_set> raised_;
  int interrupts_ = 0;
};

[[noreturn]] void raise(const Error& error) {
  PyObject* type = PyExc_ValueError;
  if (error.kind == ErrorKind::kNotFound) type = PyExc_FileNotFoundError;
  if (error.kind == ErrorKind::kIo) type = PyExc_OSError;
  if (error.kind == ErrorKind::kInterrupted) type = PyExc_KeyboardInterrupt;
  PyErr_SetObject(type, to_python(error.message).ptr());
  throw py::error_already_set();
}

// A value for an override, whatever characters it holds.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

Spec load(const std::string& spec_yaml, const std::optional<std::string>& results_dir) {
  std::vector<std::string> overrides;
  if (results_dir) overrides.push_back("results_dir=" + quoted(*results_dir));
  auto spec = load_spec({spec_yaml, "spec"}, overrides);
  if (!spec) raise(spec.error());
  const auto environment = [](const char* name) -> const char* { return std::getenv(name); };
  if (auto status = resolve_environment(*spec, environment); !status) raise(status.error());
  return std::move(*spec);
}

std::string run(const std::string& spec_yaml, const std::optional<std::string>& results_dir,
                py::function on_log, std::optional<py::function> on_progress) {
  const Spec spec = load(spec_yaml, results_dir);
  PythonSide python(std::move(on_log), std::move(on_progress));
  const RunHooks hooks = python.hooks();
  RunOutcome outcome;
  {
    const py::gil_scoped_release no_gil;
    outcome = run_pipeline(spec, hooks);
  }
  python.finish();
  if (!outcome.status) raise(outcome.status.error());
  return to_json_text(outcome.report);
}

std::string dry_run_as_json(const std::string& spec_yaml,
                            const std::optional<std::string>& results_dir, py::function on_log) {
  const Spec spec = load(spec_yaml, results_dir);
  PythonSide python(std::move(on_log), std::nullopt);
  const RunHooks hooks = python.hooks();
  Result<DryRun> dry;
  {
    const py::gil_scoped_release no_gil;
    dry = dry_run(spec, hooks);
  }
  python.finish();
  if (!dry) raise(dry.error());
  return to_json_text(*dry);
}

std::string evaluate_as_json(const std::string& annotations, const std::string& truth,
                             std::size_t worst) {
  Result<Evaluation> evaluation;
  {
    const py::gil_scoped_release no_gil;
    evaluation = evaluate(annotations, truth, worst);
  }
  if (!evaluation) raise(evaluation.error());
  return to_json_text(*evaluation);
}

std::pair<py::str, py::str> write_default_spec_or_raise(const std::string& folder) {
  const auto written = write_default_spec(folder, folder);
  if (!written) raise(written.error());
  return {to_python(written->path.string()), to_python(written->kept.string())};
}

}  // namespace
}  // namespace alig

PYBIND11_MODULE(_native, module) {
  module.doc() = "The image_grounding pipeline (C++).";
  module.attr("version") = alig::kVersion;
  module.def("run", &alig::run, py::arg("spec_yaml"), py::arg("results_dir"), py::arg("on_log"),
             py::arg("on_progress"),
             "Runs the pipeline on the calling thread; returns the summary as JSON. Raises "
             "ValueError, FileNotFoundError, OSError or KeyboardInterrupt.");
  module.def("dry_run", &alig::dry_run_as_json, py::arg("spec_yaml"), py::arg("results_dir"),
             py::arg("on_log"),
             "Checks everything and counts the requests of a run, as JSON. Raises as run().");
  module.def("evaluate", &alig::evaluate_as_json, py::arg("annotations"), py::arg("truth"),
             py::arg("worst"),
             "Compares two files of annotations; returns the scores as JSON. Raises ValueError, "
             "FileNotFoundError or OSError.");
  module.def("write_default_spec", &alig::write_default_spec_or_raise, py::arg("results_dir"),
             "Writes experiment.yaml; returns its path, and that of an edited one that was kept.");
}
