#include "progress_line.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

std::string text_of(const Progress& progress, double seconds) {
  const double share = progress.records > 0 ? static_cast<double>(progress.finished) /
                                                  static_cast<double>(progress.records)
                                            : 1.0;
  std::string text =
      fmt::format("{:3.0f}%  {}/{}, {} failed, {}, {} in flight", share * 100, progress.finished,
                  count_of(progress.records, "record"), progress.failed,
                  count_of(progress.requests, "request"), progress.in_flight);
  if (progress.finished > 0 && progress.finished < progress.records) {
    text += fmt::format(", about {:.0f} s left", seconds / share - seconds);
  }
  return text;
}

}  // namespace

ProgressLine::ProgressLine()
    : terminal_(::isatty(STDERR_FILENO) == 1), start_(std::chrono::steady_clock::now()) {}

ProgressLine::~ProgressLine() {
  if (open_line_) std::fputs("\n", stderr);
}

void ProgressLine::show(const Progress& progress) {
  using std::chrono::milliseconds;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  const bool first = next_ == std::chrono::steady_clock::time_point{};
  next_ = now + (terminal_ ? milliseconds(200) : milliseconds(10'000));
  if (first && !terminal_) return;
  print(progress);
}

void ProgressLine::print(const Progress& progress) {
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const std::string text = text_of(progress, seconds);
  std::fputs(terminal_ ? ("\r\x1b[K" + text).c_str() : (text + "\n").c_str(), stderr);
  std::fflush(stderr);
  open_line_ = terminal_;
}

}  // namespace alig
