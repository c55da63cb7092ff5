import { setThreads } from 'lapidary';
import { fromCoo, spmv } from 'lapidary/sparse';
const n = 1<<16, m = 16*n; const row=new Uint32Array(m), col=new Uint32Array(m), value=new Float64Array(m);
let s=1; const rnd=()=>{s=(Math.imul(s,1664525)+1013904223)>>>0; return s>>>16;};
for(let i=0;i<m;i++){row[i]=rnd()%n;col[i]=rnd()%n;value[i]=1;}
const a=fromCoo({rows:n,cols:n,row,col,value}); const x=new Float64Array(n).fill(1), y=new Float64Array(n);
for (let rep=0;rep<4;rep++) for (const t of [1,2]) { setThreads(t); const ts=[]; for(let i=0;i<60;i++){const t0=performance.now(); spmv(a,x,{out:y}); ts.push((performance.now()-t0)*1e3);} ts.sort((a,b)=>a-b); console.log(t, ts[6].toFixed(0), ts[30].toFixed(0), ts[54].toFixed(0)); }
