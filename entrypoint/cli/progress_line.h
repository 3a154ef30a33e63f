// How far a run is, on stderr: one self-updating line on a terminal, an occasional line in a log
// file.
#pragma once

#include <chrono>
#include <string>

#include "auto_label_image_grounding/run/pipeline.h"

namespace alig {

class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  void show(const Progress& progress);

 private:
  void print(const Progress& progress);

  bool terminal_;
  bool open_line_ = false;
  std::chrono::steady_clock::time_point next_{};
  std::chrono::steady_clock::time_point start_;
};

}  // namespace alig
