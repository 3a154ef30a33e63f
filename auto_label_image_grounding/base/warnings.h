#pragma once

#include <string>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/base/log.h"

namespace alig {

// The warnings of a run: logged at once, and kept for summary.json. One thread.
class Warnings {
 public:
  // `logger` must outlive it.
  explicit Warnings(Logger& logger) : logger_(&logger) {}

  void add(std::string text) {
    logger_->warning("{}", text);
    texts_.push_back(std::move(text));
  }
  const std::vector<std::string>& texts() const { return texts_; }
  Logger& logger() const { return *logger_; }

 private:
  Logger* logger_;
  std::vector<std::string> texts_;
};

}  // namespace alig
