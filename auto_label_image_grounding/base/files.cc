#include "auto_label_image_grounding/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/core.h>

namespace alig {
namespace {

namespace fs = std::filesystem;

ErrorKind kind_of_errno(int code) {
  return code == ENOENT || code == ENOTDIR ? ErrorKind::kNotFound : ErrorKind::kIo;
}

tl::unexpected<Error> fail_errno(const char* action, const fs::path& path, int code) {
  return fail(kind_of_errno(code),
              fmt::format("cannot {} {}: {}", action, path.string(), std::strerror(code)));
}

// Unique in this process and, by the pid, among processes of one host.
fs::path temporary_name(const fs::path& folder) {
  static std::atomic<std::uint64_t> counter{0};
  return folder / fmt::format(".tmp-{}-{}", ::getpid(), counter.fetch_add(1));
}

Status write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return fail_errno("write", path, errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// For a file without a name. Using the descriptor is cheaper (/proc creates an inode for each
// lookup); before Linux 6.10 it requires a capability. On false, errno says why.
bool give_name(int fd, const fs::path& path) {
  if (::linkat(fd, "", AT_FDCWD, path.c_str(), AT_EMPTY_PATH) == 0) return true;
  if (errno == EEXIST) return false;
  const std::string self = fmt::format("/proc/self/fd/{}", fd);
  return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

}  // namespace

Result<std::string> read_file(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail_errno("read", path, errno);
  std::string out;
  struct stat info {};
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    out.reserve(static_cast<std::size_t>(info.st_size) + 1);
  }
  constexpr std::size_t kBlock = 1 << 16;
  for (;;) {
    const std::size_t size = out.size();
    out.resize(out.capacity() > size ? out.capacity() : size + kBlock);
    const ssize_t got = ::read(fd, out.data() + size, out.size() - size);
    const int code = errno;
    out.resize(size + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got > 0 || (got < 0 && code == EINTR)) continue;
    ::close(fd);
    if (got < 0) return fail_errno("read", path, code);
    return out;
  }
}

Status read_in_blocks(const fs::path& path, const std::function<Status(std::string_view)>& take) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(ErrorKind::kIo, fmt::format("cannot read {}", path.string()));
  std::string block(1 << 18, '\0');
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())), in.gcount() > 0) {
    const std::string_view bytes(block.data(), static_cast<std::size_t>(in.gcount()));
    if (Status status = take(bytes); !status) return status;
  }
  // A disk that fails must not pass for the end of the file.
  return in.bad() ? fail(ErrorKind::kIo, fmt::format("cannot read {}", path.string())) : Status();
}

Status write_file_atomically(const fs::path& path, std::string_view bytes, Sync sync,
                             const fs::path& temporary_folder) {
  auto file = AtomicFile::create(path, temporary_folder);
  if (!file) return tl::unexpected(file.error());
  if (auto status = file->append(bytes); !status) return status;
  return file->commit(sync);
}

Status write_new_file_atomically(const fs::path& path, std::string_view bytes,
                                 const fs::path& temporary_folder,
                                 const std::function<Status()>& before_replacing) {
  // A file without a name, which then gets its own: one change of the folder instead of two of two
  // folders, whose locks the threads of a pool would fight for (measured: half the CPU time).
  const int fd = ::open(path.parent_path().c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0644);
  if (fd >= 0) {
    Status written = write_all(fd, bytes, path);
    const bool linked = written && give_name(fd, path);
    ::close(fd);
    if (!written || linked) return written;
  }
  // The file exists, or the file system does not know the way.
  std::error_code ignored;
  if (before_replacing && fs::exists(path, ignored)) {
    if (Status status = before_replacing(); !status) return status;
  }
  return write_file_atomically(path, bytes, Sync::kNo, temporary_folder);
}

Status sync_filesystem(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail_errno("open", folder, errno);
  const int error = ::syncfs(fd) == 0 ? 0 : errno;
  ::close(fd);
  return error == 0 ? Status() : fail_errno("sync", folder, error);
}

Result<fs::path> keep_previous(const fs::path& path) {
  std::error_code code;
  for (int ordinal = 1;; ++ordinal) {
    const std::string suffix = ordinal == 1 ? "" : fmt::format("-{}", ordinal);
    fs::path kept = path;
    kept.replace_filename(path.stem().string() + ".previous" + suffix + path.extension().string());
    fs::create_hard_link(path, kept, code);
    const bool exists = code == std::errc::file_exists;
    if (code && !exists) fs::copy_file(path, kept, fs::copy_options::none, code);
    if (!code) return kept;
    if (exists || code == std::errc::file_exists) {
      // A process that was killed before it replaced `path` has kept it already.
      std::error_code ignored;
      if (fs::equivalent(path, kept, ignored)) return kept;
      continue;
    }
    return fail(ErrorKind::kIo, fmt::format("cannot keep {} as {}: {}", path.string(),
                                            kept.string(), code.message()));
  }
}

Status make_directories(const fs::path& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) {
    return fail(ErrorKind::kIo,
                fmt::format("cannot create folder {}: {}", path.string(), code.message()));
  }
  return {};
}

Result<AtomicFile> AtomicFile::create(fs::path path, const fs::path& temporary_folder) {
  fs::path temporary =
      temporary_name(temporary_folder.empty() ? path.parent_path() : temporary_folder);
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return fail_errno("write", path, errno);
  return AtomicFile(std::move(path), std::move(temporary), fd);
}

AtomicFile::AtomicFile(fs::path path, fs::path temporary, int fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

Status AtomicFile::append(std::string_view bytes) {
  constexpr std::size_t kBufferSize = 1 << 16;
  buffer_.append(bytes);
  return buffer_.size() < kBufferSize ? Status{} : flush();
}

Status AtomicFile::flush() {
  auto status = write_all(fd_, buffer_, path_);
  buffer_.clear();
  return status;
}

Status AtomicFile::commit(Sync sync) {
  if (auto status = flush(); !status) return status;
  if (sync == Sync::kYes && ::fsync(fd_) != 0) return fail_errno("sync", path_, errno);
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary_.c_str());
    return fail_errno("write", path_, code);
  }
  return {};
}

}  // namespace alig
