#include "auto_label_image_grounding/base/log.h"

#include <cstdlib>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace alig {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

class StderrLogger final : public Logger {
 public:
  StderrLogger() : logger_("alig", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%T %-8l %v");
    const char* wanted = std::getenv("ALIG_LOG");
    const bool debug = wanted != nullptr && std::string_view(wanted) == "debug";
    logger_.set_level(debug ? spdlog::level::debug : spdlog::level::info);
    logger_.flush_on(spdlog::level::info);
  }
  void log(LogLevel level, std::string_view message) override {
    logger_.log(to_spdlog(level), fmt::string_view(message.data(), message.size()));
  }

 private:
  spdlog::logger logger_;
};

}  // namespace

std::unique_ptr<Logger> make_stderr_logger() { return std::make_unique<StderrLogger>(); }

}  // namespace alig
