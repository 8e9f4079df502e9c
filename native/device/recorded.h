// Work that a device does again and again.
#pragma once
#include <ATen/ATen.h>

#include <functional>
#include <memory>

namespace coppice {

/// On CUDA, work that has run a few times is recorded as a graph and replayed from then on: a step of
/// hundreds of kernels costs one launch. The work must do the same every time, on the same memory: it may
/// allocate, but nothing that it leaves behind may move, no number that changes may come from the host, and
/// the host may not wait for the device. Before it is recorded, cuDNN measures which of its algorithms are
/// fastest (unless they have to be deterministic); elsewhere it chooses by rules. Where recording fails, for
/// want of memory too, and on the CPU, the work is simply done.
class Recorded {
 public:
  /// `shared`: whether other devices wait for parts of the work.
  explicit Recorded(at::Device device, bool shared = false);
  ~Recorded();
  Recorded(Recorded&&) noexcept;

  /// Does the work, or replays it. On CUDA a RecordingStream must be the current stream until it is recorded.
  void run(const std::function<void()>& work);
  /// Does the work as often as it takes, and records it.
  void prepare(const std::function<void()>& work);
  bool replays() const;

 private:
  struct Graph;
  bool recorded() const;  ///< or given up

  at::Device device_;
  bool shared_;
  int runs_ = 0;
  std::unique_ptr<Graph> graph_;
};

/// While it lives, the calling thread's work on a CUDA device is queued on a stream of its own, on which it
/// can be recorded; what was queued before is waited for, and so is it at the end.
class RecordingStream {
 public:
  explicit RecordingStream(at::Device device);
  ~RecordingStream();
  RecordingStream(const RecordingStream&) = delete;
  RecordingStream& operator=(const RecordingStream&) = delete;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace coppice
