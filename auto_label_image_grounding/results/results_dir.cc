#include "auto_label_image_grounding/results/results_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown host";
}

std::filesystem::path lock_path(const ResultsDir& dir) { return dir.state_dir() / "lock"; }

Error locked_error(const ResultsDir& dir) {
  const auto holder = read_file(lock_path(dir));
  return {ErrorKind::kInvalidArgument,
          fmt::format("another run is working in {} ({}): wait for it, stop it, or choose another "
                      "results_dir",
                      dir.root.string(), holder ? trim(*holder) : "holder unknown")};
}

// check() holds the lock for an instant: that must not turn a run away. 0, or an errno.
int lock_patiently(int fd) {
  constexpr int kTries = 5;
  for (int i = 1; ::flock(fd, LOCK_EX | LOCK_NB) != 0; ++i) {
    const bool again = errno == EWOULDBLOCK || errno == EINTR;
    if (!again || i == kTries) return errno;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return 0;
}

// `path`, or the folder nearest to it that is there.
std::filesystem::path first_existing(const std::filesystem::path& path) {
  std::error_code code;
  std::filesystem::path out = std::filesystem::absolute(path, code);
  while (!std::filesystem::exists(std::filesystem::symlink_status(out, code)) &&
         out.has_relative_path()) {
    out = out.parent_path();
  }
  return out;
}

}  // namespace

std::filesystem::path ResultsDir::step_dir(Step step) const {
  return root / traits_of(step).folder;
}
std::filesystem::path ResultsDir::step_annotations(Step step) const {
  return step_dir(step) / "annotations.jsonl";
}
std::filesystem::path ResultsDir::checkpoints(Step step) const { return step_dir(step) / ".ckpt"; }

Status ResultsDir::clean_temporaries() const {
  std::error_code code;
  std::filesystem::remove_all(temporaries(), code);
  return make_directories(temporaries());
}

Status check_writable(const ResultsDir& dir, StepSet steps) {
  std::vector<std::filesystem::path> folders = {dir.root, dir.temporaries()};
  for (const Step step : steps) {
    folders.push_back(dir.step_dir(step));
    folders.push_back(dir.checkpoints(step));
  }
  for (const std::filesystem::path& wanted : folders) {
    const std::filesystem::path folder = first_existing(wanted);
    std::error_code ignored;
    int error = ENOTDIR;
    if (std::filesystem::is_directory(folder, ignored)) {
      error = ::access(folder.c_str(), W_OK | X_OK) == 0 ? 0 : errno;
    }
    if (error == 0) continue;
    return fail(ErrorKind::kIo,
                fmt::format("cannot write in {}: {}", folder.string(), std::strerror(error)));
  }
  return {};
}

Result<RunLock> RunLock::acquire(const ResultsDir& dir) {
  if (auto made = make_directories(dir.state_dir()); !made) return tl::unexpected(made.error());
  const std::filesystem::path path = lock_path(dir);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) {
    return fail(ErrorKind::kIo,
                fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)));
  }
  RunLock lock(fd);
  const int error = lock_patiently(fd);
  if (error == EWOULDBLOCK) return tl::unexpected(locked_error(dir));
  if (error != 0) {
    return fail(ErrorKind::kIo,
                fmt::format("cannot lock {}: {}", path.string(), std::strerror(error)));
  }
  const std::string holder = fmt::format("host {}, pid {}\n", host_name(), ::getpid());
  // Only informative: the lock does not depend on it.
  if (::ftruncate(fd, 0) == 0) [[maybe_unused]]
    const ssize_t ignored = ::pwrite(fd, holder.data(), holder.size(), 0);
  return lock;
}

Status RunLock::check(const ResultsDir& dir) {
  const int fd = ::open(lock_path(dir).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};  // no run so far, or no way to tell
  const RunLock lock(fd);
  const bool free = ::flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK;
  return free ? Status() : tl::unexpected(locked_error(dir));
}

RunLock::RunLock(RunLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

RunLock::~RunLock() {
  if (fd_ >= 0) ::close(fd_);  // frees the lock
}

}  // namespace alig
