package capture
import ("testing";"golang.org/x/sys/unix";"syscall";"os")
func BenchmarkCatch(b *testing.B){ for b.Loop(){ _,stop:=catch(false); stop() } }
func BenchmarkCatchJobs(b *testing.B){ for b.Loop(){ _,stop:=catch(true); stop() } }
func BenchmarkFork(b *testing.B){ for b.Loop(){ pid,_:=syscall.ForkExec("/bin/true",[]string{"true"},&syscall.ProcAttr{Env:os.Environ(),Files:[]uintptr{0,1,2}}); var ws syscall.WaitStatus; syscall.Wait4(pid,&ws,0,nil)} }
func BenchmarkForkSetpgid(b *testing.B){ for b.Loop(){ pid,_:=syscall.ForkExec("/bin/true",[]string{"true"},&syscall.ProcAttr{Env:os.Environ(),Files:[]uintptr{0,1,2},Sys:&syscall.SysProcAttr{Setpgid:true}}); var ws syscall.WaitStatus; syscall.Wait4(pid,&ws,0,nil)} }
func BenchmarkPipe(b *testing.B){ for b.Loop(){ r,w,_:=pipe(); growPipe(w); unix.Close(r); unix.Close(w) } }
